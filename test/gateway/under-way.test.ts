/** FAULTS.md section 3, "Limits": what one token may have under way at once, by kind. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "./support/events.ts";
import { createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";

let gateway: TestGateway;
let task: string;
let fn: string;
beforeAll(async () => {
  const limits = { requestsPerToken: 4, waitsPerToken: 2, streamsPerToken: 1 };
  gateway = await startTestGateway({ config: { limits } });
  fn = await registerFunction(gateway);
  const { id: endpoint } = await createEndpoint(gateway, "offline");
  const body = { specs: [{ function: fn, endpoint }], tasks: [{}] };
  task = (await gateway.json<{ ids: string[] }>("POST", "/v1/tasks", { body })).ids[0] as string;
});
afterAll(() => gateway[Symbol.asyncDispose]());

/** Asks for the result of a task that does not end. */
const wait = (token: string, signal?: AbortSignal) =>
  gateway.request("GET", `/v1/tasks/${task}/result?waitMs=60000`, { token, ...(signal ? { signal } : {}) });

/** A request whose body does not end; what it returns lets go of it. */
async function begin(token: string): Promise<() => void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": "1000" };
  const sent = request(`${gateway.url}/v1/tasks`, { method: "POST", headers });
  sent.on("error", () => undefined);
  await new Promise<void>((resolve) => sent.write("{", () => resolve()));
  return () => sent.destroy();
}

async function refusal(answer: Response) {
  const { error } = (await answer.json()) as { error: { code: string; details: Record<string, unknown> } };
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  return [answer.status, error.code, error.details.limit, error.details.max];
}

describe("what a token has under way", () => {
  it("G6: is bounded for requests that wait, which do not count as requests; others' are not touched", async () => {
    const token = await gateway.tokenFor(["admin"], "ann");
    const hangUp = new AbortController();
    const waiting = [wait(token, hangUp.signal), wait(token, hangUp.signal)].map((each) => each.catch(() => undefined));
    let refused: Response | undefined;
    await until("the third is refused", async () => {
      const over = new AbortController();
      const answer = await Promise.race([wait(token, over.signal), new Promise<undefined>((r) => setTimeout(r, 200))]);
      if (answer) refused = answer;
      else over.abort();
      return answer !== undefined;
    });
    expect(await refusal(refused as Response)).toEqual([429, "RATE_LIMITED", "waits", 2]);
    const invoked = await gateway.request("POST", `/v1/functions/${fn}/invoke`, { token, body: { args: [] } });
    expect((await refusal(invoked)).slice(0, 3)).toEqual([429, "RATE_LIMITED", "waits"]);
    expect((await gateway.request("GET", `/v1/tasks/${task}/result`, { token })).status).toBe(202);
    expect((await gateway.request("GET", "/v1/me", { token })).status).toBe(200);
    const other = await gateway.tokenFor(["admin"], "bob");
    expect((await gateway.request("GET", `/v1/tasks/${task}/result?waitMs=1`, { token: other })).status).toBe(202);

    hangUp.abort();
    await Promise.all(waiting);
    const asked = () => gateway.request("GET", `/v1/tasks/${task}/result?waitMs=1`, { token });
    await until("there is room again", async () => (await asked()).status === 202);
  });

  it("G6: is bounded for requests that are worked on, and one that breaks off makes room", async () => {
    const token = await gateway.tokenFor(["admin"], "ann");
    const letGo: (() => void)[] = [];
    for (let i = 0; i < 4; i++) letGo.push(await begin(token));
    const me = () => gateway.request("GET", "/v1/me", { token });
    let refused: Response | undefined;
    await until("one more is refused", async () => {
      refused = await me();
      return refused.status === 429;
    });
    expect(await refusal(refused as Response)).toEqual([429, "RATE_LIMITED", "requests", 4]);
    expect((await gateway.request("GET", "/healthz", { token: null })).status).toBe(200);
    expect((await gateway.request("GET", "/v1/me")).status).toBe(200);
    letGo.pop()?.();
    await until("there is room again", async () => (await me()).status === 200);
    for (const end of letGo) end();
  });

  it("ends when the token is revoked: a request that waits is answered at once", async () => {
    const body = { name: "n", scopes: ["admin"] };
    const made = await gateway.json<{ token: string; view: { id: string } }>("POST", "/v1/tokens", { body });
    const waiting = wait(made.token);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await gateway.request("DELETE", `/v1/tokens/${made.view.id}`);
    expect((await waiting).status).toBe(202);
    expect((await wait(made.token)).status).toBe(401);
  });
});
