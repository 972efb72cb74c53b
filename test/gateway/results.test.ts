/** Results, waiting for them, calling in one request, cancel and retry. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { until } from "./support/events.ts";
import { codeOf, createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";
import { openSite, type Site } from "./support/site.ts";

let gateway: TestGateway;
let fn: string;
let site: Site;
beforeAll(async () => {
  gateway = await startTestGateway();
  fn = await registerFunction(gateway, "square");
  site = await openSite(gateway, (await createEndpoint(gateway, "lap")).id);
});
afterAll(() => gateway[Symbol.asyncDispose]());

async function submit(spec: Record<string, unknown> = {}, args: unknown = []): Promise<string> {
  const body = { specs: [{ function: fn, ...spec }], tasks: [{ args }] };
  return (await gateway.json<{ ids: string[] }>("POST", "/v1/tasks", { body })).ids[0] as string;
}
const stateOf = async (id: string) => (await gateway.json<{ state: string }>("GET", `/v1/tasks/${id}`)).state;

describe("a result", () => {
  it("is 202 while the task has not ended, and 200 with the value afterwards", async () => {
    const id = await submit();
    const early = await gateway.request("GET", `/v1/tasks/${id}/result`);
    expect([early.status, await early.json()]).toEqual([202, { id, state: "queued" }]);
    await site.finishAll({ deep: [1, 2] });
    const late = await gateway.request("GET", `/v1/tasks/${id}/result`);
    expect(late.status).toBe(200);
    expect(await late.json()).toEqual({
      id,
      state: "succeeded",
      endpoint: "lap",
      encoding: "json",
      value: { deep: [1, 2] },
    });
    const bytes = await gateway.request("GET", `/v1/tasks/${id}/result/bytes`);
    expect([await bytes.text(), bytes.headers.get("farcall-encoding")]).toEqual(['{"deep":[1,2]}', "json"]);
  });

  it("is waited for, and comes as soon as the task ends", async () => {
    const id = await submit();
    const waiting = gateway.request("GET", `/v1/tasks/${id}/result?waitMs=60000`);
    await site.finishAll(7);
    expect(await (await waiting).json()).toMatchObject({ state: "succeeded", value: 7 });
  });

  it("of a failed task is its failure with the attempts", async () => {
    const id = await submit();
    const [leased] = await site.take();
    const failure = { code: "USER_ERROR" as const, message: "no", type: "TypeError", stack: "at f" };
    await site.report([{ id, lease: leased?.lease as number, outcome: "failed", failure, started: true }]);
    const result = await gateway.json("GET", `/v1/tasks/${id}/result`);
    expect(result).toMatchObject({ state: "failed", failure, attempts: [{ attempt: 1, reason: "USER_ERROR" }] });
  });

  it("of a task that is not there, or another's, is 404", async () => {
    const id = await submit();
    const stranger = await gateway.tokenFor(["read", "invoke"], "stranger");
    for (const path of ["", "/result", "/result/bytes", "/arguments", "/logs", "/logs?follow=true"]) {
      const answer = await gateway.request("GET", `/v1/tasks/${id}${path}`, { token: stranger });
      expect([path, answer.status]).toEqual([path, 404]);
      expect((await gateway.request("GET", `/v1/tasks/nonsense${path}`)).status).toBe(404);
    }
    for (const path of ["/cancel", "/retry"]) {
      const answer = await gateway.request("POST", `/v1/tasks/${id}${path}`, { token: stranger });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    const many = await gateway.json("POST", "/v1/tasks/cancel", { token: stranger, body: { ids: [id, "nonsense"] } });
    expect(many).toEqual({ cancelled: 0, alreadyFinished: 0, notFound: 2 });
    expect(await gateway.json("POST", "/v1/tasks/cancel", { token: stranger, body: { all: true } })).toMatchObject({
      cancelled: 0,
    });
    expect(await stateOf(id)).toBe("queued");
    await site.finishAll();
  });
});

describe("a call in one request", () => {
  it("answers with the value, by the function's name or id", async () => {
    for (const wanted of ["square", fn]) {
      const calling = gateway.request("POST", `/v1/functions/${wanted}/invoke`, { body: { args: [3] } });
      await until("it is queued", async () => (await site.finishAll(9)).length > 0);
      const answer = await calling;
      expect([answer.status, await answer.json()]).toMatchObject([200, { state: "succeeded", value: 9 }]);
    }
  });

  it("answers 202 with the id when it takes longer than waitMs; the same call again waits on", async () => {
    const id = newId();
    const body = { id, args: [1], waitMs: 20 };
    const early = await gateway.request("POST", "/v1/functions/square/invoke", { body });
    expect([early.status, await early.json()]).toEqual([202, { id, state: "queued" }]);
    await site.finishAll(1);
    const late = await gateway.request("POST", "/v1/functions/square/invoke", { body });
    expect([late.status, await late.json()]).toMatchObject([200, { id, value: 1 }]);
  });

  for (const cancels of [false, true]) {
    it(`G3: whose client hangs up ${cancels ? "is cancelled if it asked for that" : "goes on"}`, async () => {
      const id = newId();
      const abort = new AbortController();
      const body = { id, args: [1], ...(cancels ? { cancelOnDisconnect: true } : {}) };
      const calling = gateway.request("POST", "/v1/functions/square/invoke", { body, signal: abort.signal });
      await until("it is queued", async () => (await gateway.request("GET", `/v1/tasks/${id}`)).status === 200);
      abort.abort();
      await expect(calling).rejects.toThrow();
      if (cancels) await until("it is cancelled", async () => (await stateOf(id)) === "cancelled");
      await site.finishAll(5);
      expect(await stateOf(id)).toBe(cancels ? "cancelled" : "succeeded");
    });
  }

  it("G3: leaves no waiting behind when clients hang up at any moment", async () => {
    const ids = Array.from({ length: 40 }, () => newId());
    await Promise.all(
      ids.map(async (id, index) => {
        const abort = new AbortController();
        const body = { id, args: [index] };
        const calling = gateway.request("POST", "/v1/functions/square/invoke", { body, signal: abort.signal });
        setTimeout(() => abort.abort(), index / 2);
        await calling.catch(() => undefined);
      }),
    );
    await site.finishAll(0);
    const stored = await Promise.all(ids.map((id) => gateway.request("GET", `/v1/tasks/${id}`)));
    // Each was either refused by the closed connection before it was stored, or it ran to its end.
    for (const answer of stored) {
      if (answer.status === 404) continue;
      expect(((await answer.json()) as { state: string }).state).toMatch(/succeeded|queued/);
    }
    expect((await gateway.request("GET", "/healthz")).status).toBe(200);
    await site.finishAll(0);
  });
});

describe("a cancel", () => {
  it("ends a queued task, and says when the end came first", async () => {
    const id = await submit();
    expect(await gateway.json("POST", `/v1/tasks/${id}/cancel`)).toEqual({ cancelled: true, state: "cancelled" });
    expect(await gateway.json("POST", `/v1/tasks/${id}/cancel`)).toEqual({ cancelled: false, state: "cancelled" });
    const other = await submit();
    await site.finishAll();
    expect(await gateway.json("POST", `/v1/tasks/${other}/cancel`)).toEqual({ cancelled: false, state: "succeeded" });
  });

  it("takes many by id, a group, or all", async () => {
    const group = newId();
    const ids = [await submit({ group }), await submit({ group }), await submit({ group: "other" })];
    const some = await gateway.json("POST", "/v1/tasks/cancel", { body: { ids: [ids[0], newId(), "nonsense"] } });
    expect(some).toEqual({ cancelled: 1, alreadyFinished: 0, notFound: 2 });
    expect(await gateway.json("POST", "/v1/tasks/cancel", { body: { group } })).toMatchObject({ cancelled: 1 });
    expect(await stateOf(ids[2] as string)).toBe("queued");
    expect(await gateway.json("POST", "/v1/tasks/cancel", { body: { endpoint: "lap" } })).toMatchObject({
      cancelled: 1,
    });
    expect(await gateway.json("POST", "/v1/tasks/cancel", { body: { all: true } })).toMatchObject({ cancelled: 0 });
    const both = await gateway.request("POST", "/v1/tasks/cancel", { body: { ids, all: true } });
    expect([both.status, await codeOf(both)]).toEqual([400, "BAD_REQUEST"]);
  });

  it("G7: and a result at the same time: exactly one wins, and the cancel's answer says which", async () => {
    const won = { cancelled: 0, succeeded: 0 };
    for (let round = 0; round < 20; round++) {
      const ids = await Promise.all(Array.from({ length: 20 }, () => submit()));
      const leases = new Map((await site.take()).map(({ id, lease }) => [id, lease]));
      await Promise.all(
        ids.map(async (id, index) => {
          const report = () => site.report([{ id, lease: leases.get(id) as number, value: index }]);
          const cancel = () => gateway.json<{ cancelled: boolean; state: string }>("POST", `/v1/tasks/${id}/cancel`);
          const [superseded, answer] =
            index % 2 === 0 ? await Promise.all([report(), cancel()]) : await swapped(cancel, report);
          const state = await stateOf(id);
          expect(answer).toEqual({ cancelled: state === "cancelled", state });
          expect(superseded).toBe(state === "cancelled" ? 1 : 0);
          won[state as "cancelled" | "succeeded"]++;
        }),
      );
    }
    expect(won.cancelled + won.succeeded).toBe(400);
  });
});

describe("a retry", () => {
  it("is a new task with the same call that names the old one", async () => {
    const id = await submit({ priority: 3, group: "again" }, [1, 2]);
    const early = await gateway.request("POST", `/v1/tasks/${id}/retry`);
    expect([early.status, await codeOf(early)]).toEqual([409, "CONFLICT"]);
    await site.finishAll("old");
    const wanted = newId();
    for (let round = 0; round < 2; round++) {
      const answer = await gateway.request("POST", `/v1/tasks/${id}/retry`, { body: { id: wanted } });
      expect([answer.status, await answer.json()]).toEqual([202, { id: wanted }]);
    }
    const again = await gateway.json("GET", `/v1/tasks/${wanted}`);
    expect(again).toMatchObject({ retryOf: id, priority: 3, group: "again", function: fn, state: "queued" });
    expect(await (await gateway.request("GET", `/v1/tasks/${wanted}/arguments`)).text()).toBe("[1,2]");
    const made = await gateway.json<{ id: string }>("POST", `/v1/tasks/${id}/retry`);
    expect(made.id).not.toBe(wanted);
    expect(await site.finishAll("new")).toHaveLength(2);
    expect(await gateway.json("GET", `/v1/tasks/${id}/result`)).toMatchObject({ value: "old" });
  });
});

async function swapped<A, B>(first: () => Promise<A>, second: () => Promise<B>): Promise<[B, A]> {
  const [a, b] = await Promise.all([first(), second()]);
  return [b, a];
}
