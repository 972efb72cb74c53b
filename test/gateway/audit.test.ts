/** The audit log: who did what to what, and how it ended. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, type OperationName } from "../../protocol/operations.ts";
import { until } from "./support/events.ts";
import { createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";

type Entry = { actor: string; action: string; target: string; outcome: string };

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

/** Entries of the action; folded ones are written within a second. */
async function entries(action: string): Promise<Entry[]> {
  const { items } = await gateway.json<{ items: Entry[] }>("GET", "/v1/audit?limit=1000");
  return items.filter((entry) => entry.action === action);
}

const mutating = (Object.keys(OPERATIONS) as OperationName[]).filter(
  (name) => !["GET", "HEAD"].includes(OPERATIONS[name].method),
);
const anyId = "01900000-0000-7000-8000-000000000000";

describe("the audit log", () => {
  it("has one record of each mutating request that was denied for want of a scope, and one of each that failed", async () => {
    const token = await gateway.tokenFor(["read"], "reader");
    const agent = (await createEndpoint(gateway, "audited")).token;
    const expected = new Map<string, number>();
    for (const name of mutating) {
      const { method, path } = OPERATIONS[name];
      const concrete = path.replace(/\{\w+\}/g, anyId);
      expect((await gateway.request(method, concrete, { token })).status).toBe(403);
      const scoped = name === "endpointCredentials" ? agent : gateway.token;
      const failed = await gateway.request(method, concrete, { token: scoped, body: { nonsense: true } });
      expect([name, failed.status >= 400]).toEqual([name, true]);
      expected.set(`${name} denied`, 1).set(`${name} failed`, 1);
    }
    const seen = async () => {
      const { items } = await gateway.json<{ items: Entry[] }>("GET", "/v1/audit?limit=1000");
      const wrong = items.filter(({ outcome }) => outcome !== "ok");
      const counts = new Map<string, number>();
      for (const { action, outcome } of wrong) {
        const kind = `${action} ${outcome === "FORBIDDEN" ? "denied" : "failed"}`;
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
      }
      return counts;
    };
    await until("the folded ones are written", async () => (await seen()).size >= expected.size);
    expect(await seen()).toEqual(expected);
  });

  it("names the actor and what was touched, before the answer is given", async () => {
    const { id } = await createEndpoint(gateway, "named");
    const [entry] = await entries("createEndpoint");
    expect(entry).toMatchObject({ outcome: "ok", target: `endpoint named ${id}` });
    expect(entry?.actor).toMatch(/^admin#/);
    await gateway.json("POST", "/v1/endpoints/named/declare-dead");
    expect((await entries("declareDead"))[0]).toMatchObject({ outcome: "ok", target: "endpoint named" });
  });

  it("folds submits within a second into one record with their number", async () => {
    const fn = await registerFunction(gateway);
    const body = { specs: [{ function: fn, endpoint: "named" }], tasks: [{}] };
    for (let i = 0; i < 20; i++) expect((await gateway.request("POST", "/v1/tasks", { body })).status).toBe(202);
    const counted = async () => {
      const done = (await entries("submitTasks")).filter(({ outcome }) => outcome === "ok");
      const times = done.map(({ target }) => Number(/\((\d+) times\)/.exec(target)?.[1] ?? 1));
      return { records: done.length, submits: times.reduce((sum, each) => sum + each, 0) };
    };
    await until("all are counted", async () => (await counted()).submits === 20);
    expect((await counted()).records).toBeLessThan(6);
  });

  it("tells of requests without a token, also of reads", async () => {
    await gateway.request("GET", "/v1/tasks", { token: null });
    await until("it is written", async () => (await entries("listTasks")).length === 1);
    expect((await entries("listTasks"))[0]).toMatchObject({ actor: "anonymous", outcome: "UNAUTHENTICATED" });
  });
});
