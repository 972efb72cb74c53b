/** What the gateway says of itself: OpenAPI, the page, metrics, health. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, type Operation } from "../../protocol/operations.ts";
import { codeOf, startTestGateway, type TestGateway } from "./support/gateway.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

type Json = { [key: string]: Json };

describe("/openapi.json", () => {
  it("has every operation of the table, and every reference in it leads somewhere", async () => {
    const document = await gateway.json<Json>("GET", "/openapi.json", { token: null });
    expect(document.openapi).toBe("3.1.0");
    const found = Object.entries(document.paths as Json).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => [operationId, method.toUpperCase(), path].join(" ")),
    );
    const table = Object.entries(OPERATIONS).map(([name, { method, path }]) => [name, method, path].join(" "));
    expect(found.sort()).toEqual(table.sort());
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(
      ([, target]) => target as string,
    );
    expect(references.length).toBeGreaterThan(10);
    for (const reference of new Set(references)) {
      const [root, ...path] = reference.split("/");
      expect(root).toBe("#");
      expect([reference, path.reduce<Json | undefined>((part, key) => part?.[key], document)]).not.toContain(undefined);
    }
  });
});

describe("/docs", () => {
  it("names every operation and loads nothing from elsewhere", async () => {
    const answer = await gateway.request("GET", "/docs", { token: null });
    const page = await answer.text();
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    for (const name of Object.keys(OPERATIONS)) expect(page).toContain(`id="${name}"`);
    expect(page).not.toMatch(/<script|src=|https?:\/\/(?!json-schema)/);
  });
});

describe("health", () => {
  it("answers without a token; metrics want one", async () => {
    expect(await gateway.json("GET", "/healthz", { token: null })).toEqual({ ok: true, version: "test" });
    expect(await gateway.json("GET", "/readyz", { token: null })).toEqual({ ok: true, store: "ok", nats: "ok" });
    expect((await gateway.request("GET", "/metrics", { token: null })).status).toBe(401);
  });

  it("is not ready when the database does not answer", async () => {
    await using sick = await startTestGateway({
      wrapStore: (store) => ({
        ...store,
        generation: store.generation,
        stats: () => Promise.reject(new Error("no answer")),
      }),
    });
    const answer = await sick.request("GET", "/readyz");
    expect([answer.status, await answer.json()]).toEqual([503, { ok: false, store: "no answer", nats: "ok" }]);
  });
});

describe("/metrics", () => {
  it("is Prometheus text that counts requests by operation and class", async () => {
    await gateway.request("GET", "/v1/tasks/nonsense");
    const text = await (await gateway.request("GET", "/metrics")).text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[\d.e+-]+)$/);
    }
    expect(text).toContain('farcall_http_requests_total{operation="getTask",status="4xx"} 1');
    expect(text).toMatch(/farcall_tasks\{state="queued"\} 0/);
    expect(text).toMatch(/process_resident_memory_bytes \d{8,}/);
  });
});

describe("every answer", () => {
  it("that is promised as JSON fits the table's schema", async () => {
    const answers: [string, string][] = [
      ["me", "/v1/me"],
      ["listTokens", "/v1/tokens"],
      ["listFunctions", "/v1/functions"],
      ["listEndpoints", "/v1/endpoints"],
      ["listTasks", "/v1/tasks"],
      ["countTasks", "/v1/tasks/counts"],
      ["listGroups", "/v1/groups"],
      ["listAudit", "/v1/audit"],
    ];
    await gateway.json("POST", "/v1/endpoints", { body: { name: "shown" } });
    for (const [name, path] of answers) {
      const { response } = OPERATIONS[name as keyof typeof OPERATIONS] as Operation;
      const parsed = response?.safeParse(await gateway.json("GET", path));
      expect([name, parsed?.error?.issues]).toEqual([name, undefined]);
    }
  });

  it("to a path that is none says where the operations are described", async () => {
    const answer = await gateway.request("GET", "/v1/taks");
    expect(await codeOf(answer)).toBe("NOT_FOUND");
  });
});
