/** Lists, counts, groups, functions and endpoints over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { timeOf } from "../../gateway/routes/selection.ts";
import { newId } from "../../protocol/ids.ts";
import { codeOf, createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";
import { openSite, type Site } from "./support/site.ts";

type Page = { items: { id: string; name: string; state: string }[]; cursor: string | null };

let gateway: TestGateway;
let fn: string;
let site: Site;
beforeAll(async () => {
  gateway = await startTestGateway();
  fn = await registerFunction(gateway, "first");
  site = await openSite(gateway, (await createEndpoint(gateway, "lap")).id);
});
afterAll(() => gateway[Symbol.asyncDispose]());

async function submit(count: number, spec: Record<string, unknown> = {}, token?: string): Promise<string[]> {
  const body = {
    specs: [{ function: fn, endpoint: "lap", ...spec }],
    tasks: Array.from({ length: count }, () => ({})),
  };
  return (await gateway.json<{ ids: string[] }>("POST", "/v1/tasks", { body, ...(token ? { token } : {}) })).ids;
}
const list = (query: string) => gateway.json<Page>("GET", `/v1/tasks?${query}`);

async function pages(path: string): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Page = await gateway.json("GET", `${path}&limit=3${cursor === null ? "" : `&cursor=${cursor}`}`);
    found.push(...page.items.map(({ id, name }) => id ?? name));
    cursor = page.cursor;
  } while (cursor !== null);
  return found;
}

describe("lists", () => {
  it("refuse a cursor that is none, naming the field, and take any that a list could have given", async () => {
    for (const path of ["/v1/tasks", "/v1/groups", "/v1/functions", "/v1/endpoints", "/v1/audit"]) {
      for (const cursor of ["nonsense", "-1", "1e3", "0x10", "1.5", "", " 1", "9".repeat(16), "null"]) {
        const answer = await gateway.request("GET", `${path}?cursor=${encodeURIComponent(cursor)}`);
        const { error } = (await answer.json()) as { error: { code: string; details: { field: string } } };
        const seen = [path, cursor, answer.status, error.code, error.details.field];
        expect(seen).toEqual([path, cursor, 400, "BAD_REQUEST", "query.cursor"]);
      }
      for (const cursor of ["0", "1", "999999999999999"]) {
        expect((await gateway.request("GET", `${path}?cursor=${cursor}`)).status).toBe(200);
      }
    }
  });

  it("of tasks come in pages, in both orders, each task once", async () => {
    const group = newId();
    const ids = await submit(10, { group });
    expect(await pages(`/v1/tasks?group=${group}&order=oldest`)).toEqual(ids);
    expect(await pages(`/v1/tasks?group=${group}`)).toEqual([...ids].reverse());
    await site.finishAll();
  });

  it("of tasks are filtered by state, endpoint, function and group, by id or name, and counted alike", async () => {
    const group = newId();
    const other = await registerFunction(gateway, "second");
    await submit(2, { group });
    await submit(3, { group, function: other });
    const { items } = await list(`group=${group}&function=second`);
    expect(items).toHaveLength(3);
    await gateway.json("POST", "/v1/tasks/cancel", { body: { group, function: other } });
    for (const [query, found] of [
      [`group=${group}`, 5],
      [`group=${group}&state=queued`, 2],
      [`group=${group}&state=queued&state=cancelled`, 5],
      [`group=${group}&function=${other}&endpoint=lap`, 3],
      [`group=${group}&endpoint=nowhere`, 0],
      [`group=${group}&function=none`, 0],
      [`group=${group}&since=1h`, 5],
      [`group=${group}&until=1h`, 0],
      [`group=${group}&since=2000-01-01`, 5],
      [`group=${group}&since=${Date.now() + 60_000}`, 0],
    ] as const) {
      expect([query, (await list(query)).items.length]).toEqual([query, found]);
      const { counts } = await gateway.json<{ counts: Record<string, number> }>("GET", `/v1/tasks/counts?${query}`);
      expect([query, Object.values(counts).reduce((sum, count) => sum + count, 0)]).toEqual([query, found]);
    }
    await site.finishAll();
  });

  it("of groups say how much is unfinished", async () => {
    const group = newId();
    await submit(4, { group });
    const groups = () => gateway.json<{ items: { name: string; unfinished: number }[] }>("GET", "/v1/groups");
    expect((await groups()).items.find(({ name }) => name === group)).toMatchObject({ unfinished: 4 });
    await site.finishAll();
    expect((await groups()).items.find(({ name }) => name === group)).toMatchObject({ unfinished: 0 });
  });

  it("hold only what the token's owner has; an admin's hold everything", async () => {
    const token = await gateway.tokenFor(["read", "invoke", "endpoints"], "ann");
    const own = await registerFunction(gateway, "of-ann", token);
    await createEndpoint(gateway, "anns", token);
    const [id] = await submit(1, { function: own, endpoint: "anns" }, token);
    const seen = async (path: string, who?: string) => {
      const page = await gateway.json<Page>("GET", path, who ? { token: who } : {});
      return page.items.map((item) => item.id);
    };
    expect(await seen("/v1/tasks", token)).toEqual([id]);
    expect(await seen("/v1/functions", token)).toEqual([own]);
    expect(await seen("/v1/endpoints", token)).toHaveLength(1);
    expect(await seen("/v1/tasks")).toContain(id);
    expect(await seen("/v1/functions")).toEqual(expect.arrayContaining([own, fn]));
    expect((await seen("/v1/endpoints")).length).toBeGreaterThan(1);
  });

  it("take an age, Unix milliseconds or a date as a time", () => {
    expect(timeOf("since", "90s", 100_000)).toBe(10_000);
    expect(timeOf("since", "1h", 3_600_000)).toBe(0);
    expect(timeOf("since", "1234567890123", 0)).toBe(1_234_567_890_123);
    expect(timeOf("since", "2026-01-01", 0)).toBe(Date.UTC(2026, 0, 1));
    expect(() => timeOf("since", "2026-99-99", 0)).toThrow(/expected an age/);
  });
});

describe("functions", () => {
  it("are named by the hash of their content: registering again gives the same", async () => {
    const body = {
      name: "same",
      definition: { runtime: "javascript", entry: "f", env: { A: "1" } },
      code: "export const f = 1",
    };
    const first = await gateway.json("POST", "/v1/functions", { body });
    expect(await gateway.json("POST", "/v1/functions", { body })).toMatchObject({ id: first.id });
    const changed = await gateway.json("POST", "/v1/functions", { body: { ...body, code: "export const f = 2" } });
    expect(changed.id).not.toBe(first.id);
    expect(await gateway.json("GET", "/v1/functions/same")).toMatchObject({ id: changed.id });
    const code = await gateway.request("GET", `/v1/functions/${first.id}/code`);
    expect(await code.text()).toBe(body.code);
  });

  it("with a hash that is not that of their code, or a name that is an id, are refused", async () => {
    const definition = { runtime: "javascript", code: "0".repeat(64) };
    for (const body of [
      { name: "f", definition, code: "x" },
      { name: "0".repeat(64), definition: { runtime: "javascript" }, code: "x" },
      { name: "f", definition: { runtime: "javascript" } },
    ]) {
      const answer = await gateway.request("POST", "/v1/functions", { body });
      expect([answer.status, await codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
    }
  });

  it("that are deleted end their queued tasks with FUNCTION_GONE and can be registered anew", async () => {
    const gone = await registerFunction(gateway, "short-lived");
    const [id] = await submit(1, { function: gone });
    expect(await gateway.json("DELETE", `/v1/functions/${gone}`)).toEqual({ ok: true });
    expect((await gateway.request("GET", `/v1/functions/${gone}`)).status).toBe(404);
    expect(await gateway.json("GET", `/v1/tasks/${id}`)).toMatchObject({
      state: "failed",
      failure: { code: "FUNCTION_GONE" },
    });
    const refused = await gateway.request("POST", "/v1/tasks", {
      body: { specs: [{ function: gone, endpoint: "lap" }], tasks: [{}] },
    });
    expect([refused.status, await codeOf(refused)]).toEqual([422, "FUNCTION_UNKNOWN"]);
    expect(await registerFunction(gateway, "short-lived")).toBe(gone);
  });

  it("are read by an agent only when a task at its endpoint names them", async () => {
    const used = await registerFunction(gateway, "used-there");
    const own = await createEndpoint(gateway, "reader");
    const see = () => gateway.request("GET", `/v1/functions/${used}`, { token: own.token });
    expect((await see()).status).toBe(404);
    await submit(1, { function: used, endpoint: "reader" });
    expect((await see()).status).toBe(200);
    expect((await gateway.request("GET", `/v1/functions/${used}/code`, { token: own.token })).status).toBe(200);
    expect((await gateway.request("GET", `/v1/functions/${fn}`, { token: own.token })).status).toBe(404);
  });
});

describe("endpoints", () => {
  it("have one name each, and no name that is an id", async () => {
    const again = await gateway.request("POST", "/v1/endpoints", { body: { name: "lap" } });
    expect([again.status, await codeOf(again)]).toEqual([409, "CONFLICT"]);
    expect((await gateway.request("POST", "/v1/endpoints", { body: { name: newId() } })).status).toBe(400);
  });

  it("show what waits and runs there", async () => {
    const { id } = await createEndpoint(gateway, "busy");
    const place = await openSite(gateway, id);
    await submit(3, { endpoint: "busy" });
    await place.take(1);
    expect(await gateway.json("GET", "/v1/endpoints/busy")).toMatchObject({
      id,
      state: "offline",
      epoch: 1,
      queued: 2,
      leased: 1,
    });
  });

  it("that are declared dead give back what they held", async () => {
    const { id } = await createEndpoint(gateway, "dead");
    const place = await openSite(gateway, id);
    const ids = await submit(3, { endpoint: "dead" });
    await place.take();
    expect(await gateway.json("POST", "/v1/endpoints/dead/declare-dead")).toEqual({ ok: true, released: 3 });
    const { items } = await list("endpoint=dead&state=queued");
    expect(items.map((task) => task.id).sort()).toEqual(ids.sort());
  });

  it("that are deleted cancel their tasks, and their agent's token ends", async () => {
    const { id, token } = await createEndpoint(gateway, "leaving");
    const ids = await submit(2, { endpoint: "leaving" });
    expect((await gateway.request("GET", `/v1/endpoints/${id}`, { token })).status).toBe(200);
    expect(await gateway.json("DELETE", "/v1/endpoints/leaving")).toEqual({ ok: true, cancelled: 2 });
    expect((await gateway.request("GET", `/v1/endpoints/${id}`, { token })).status).toBe(401);
    expect((await gateway.request("GET", "/v1/endpoints/leaving")).status).toBe(404);
    expect(await gateway.json("GET", `/v1/tasks/${ids[0]}`)).toMatchObject({ state: "cancelled" });
    const refused = await gateway.request("POST", "/v1/tasks", {
      body: { specs: [{ function: fn, endpoint: id }], tasks: [{}] },
    });
    expect([refused.status, await codeOf(refused)]).toEqual([422, "ENDPOINT_UNKNOWN"]);
    expect((await createEndpoint(gateway, "leaving")).id).not.toBe(id);
  });
});
