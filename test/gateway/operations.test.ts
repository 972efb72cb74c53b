/** The table of operations is the router: nothing is served that is not in it, and each entry asks for its scope. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Gateway } from "../../gateway/gateway.ts";
import { createHandlers } from "../../gateway/routes/index.ts";
import { OPERATIONS, type Operation, type OperationName, Scope } from "../../protocol/operations.ts";
import { codeOf, createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";

const NAMES = Object.keys(OPERATIONS) as OperationName[];
const ALL_METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];

let gateway: TestGateway;
let tokens: Record<Scope, string>;
beforeAll(async () => {
  gateway = await startTestGateway();
  const { token: agent } = await createEndpoint(gateway, "agents-own");
  tokens = {
    read: await gateway.tokenFor(["read"]),
    invoke: await gateway.tokenFor(["invoke"]),
    endpoints: await gateway.tokenFor(["endpoints"]),
    admin: gateway.token,
    agent,
  };
});
afterAll(() => gateway[Symbol.asyncDispose]());

describe("the table of operations", () => {
  it("has a handler for every entry, and no handler without one", () => {
    const handlers = createHandlers({ facts: {} } as Gateway);
    expect(Object.keys(handlers).sort()).toEqual([...NAMES].sort());
  });

  it("gives every method that it does not list 405, and every other path 404", async () => {
    const byPath = Map.groupBy(NAMES, (name) => OPERATIONS[name].path);
    for (const [path, names] of byPath) {
      const listed: string[] = names.map((name) => OPERATIONS[name].method);
      for (const method of ALL_METHODS.filter((candidate) => !listed.includes(candidate))) {
        const answer = await gateway.request(method, concrete(path));
        expect([method, path, answer.status]).toEqual([method, path, 405]);
        expect(answer.headers.get("allow")).toBe(listed.join(", "));
        await answer.arrayBuffer();
      }
    }
    for (const path of ["/", "/v1", "/v1/", "/v1/tasks/", "/v2/tasks", "//v1/me", "/v1/me/", "/v1%2fme"]) {
      const answer = await gateway.request("GET", path);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(await codeOf(answer)).toBe("NOT_FOUND");
    }
  });

  it("names a scope for every operation but health, readiness and the API's description", () => {
    const open = NAMES.filter((name) => OPERATIONS[name].scope === null);
    expect(open.sort()).toEqual(["docs", "health", "openapi", "ready"]);
  });
});

describe("every route with every scope", () => {
  for (const name of NAMES) {
    const operation: Operation = OPERATIONS[name];
    const needed = operation.scope;
    if (needed === null) continue;

    it(`${name}: no token is 401`, async () => {
      const answer = await call(operation, null);
      expect(answer.status).toBe(401);
      if (operation.method !== "HEAD") expect(await codeOf(answer)).toBe("UNAUTHENTICATED");
    });

    for (const scope of Scope.options) {
      const mayPass = needed.includes(scope) || (scope === "admin" && needed.some((wanted) => wanted !== "agent"));
      it(`${name}: a token of scope ${scope} is ${mayPass ? "let in" : "403"}`, async () => {
        const answer = await call(operation, tokens[scope]);
        if (mayPass) expect([401, 403]).not.toContain(answer.status);
        else expect(answer.status).toBe(403);
        await answer.body?.cancel();
      });
    }
  }
});

describe("every route with another owner's things", () => {
  it("answers 404, as for ids that do not exist, whichever id stands in whichever path", async () => {
    const endpoint = await createEndpoint(gateway, "not-theirs");
    const fn = await registerFunction(gateway, "not-theirs");
    const body = { specs: [{ function: fn, endpoint: endpoint.id }], tasks: [{}] };
    const [task] = (await gateway.json<{ ids: string[] }>("POST", "/v1/tasks", { body })).ids as [string];
    const blob = createHash("sha256").update("secret").digest("hex");
    expect((await gateway.request("PUT", `/v1/blobs/${blob}`, { body: Buffer.from("secret") })).status).toBe(201);
    const owned = { endpoint: [endpoint.id, "not-theirs"], function: [fn, "not-theirs"], task: [task], blob: [blob] };
    const stranger = await gateway.tokenFor(["read", "invoke", "endpoints"], "stranger");

    const routes = NAMES.filter((name) => /\{(endpoint|function|task|blob)\}/.test(OPERATIONS[name].path));
    let asked = 0;
    for (const name of routes.filter((candidate) => candidate !== "endpointCredentials" && candidate !== "putBlob")) {
      const { method, path } = OPERATIONS[name];
      const bodyOf: Partial<Record<OperationName, unknown>> = { drainEndpoint: { drain: true }, invoke: { args: [] } };
      const options = { token: stranger, ...(bodyOf[name] === undefined ? {} : { body: bodyOf[name] }) };
      for (const id of Object.values(owned).flat()) {
        const answer = await gateway.request(method, path.replace(/\{\w+\}/, id), options);
        // An id of another kind may be no id at all there; it is never an answer.
        expect([name, id, answer.status]).toEqual([
          name,
          id,
          expect.toSatisfy((status) => status === 404 || status === 400),
        ]);
        if (owned[/\{(\w+)\}/.exec(path)?.[1] as keyof typeof owned].includes(id))
          expect([name, answer.status]).toEqual([name, 404]);
        await answer.arrayBuffer();
        asked++;
      }
    }
    expect(asked).toBeGreaterThan(80);
    expect(await gateway.json("GET", `/v1/tasks/${task}`)).toMatchObject({ state: "queued" });
    expect((await gateway.request("GET", "/v1/endpoints/not-theirs")).status).toBe(200);
    expect((await gateway.request("GET", `/v1/functions/${fn}`)).status).toBe(200);
  });

  it("lets an agent reach its own endpoint and no other", async () => {
    const own = await createEndpoint(gateway, "own");
    const other = await createEndpoint(gateway, "other");
    const see = (endpoint: string) => gateway.request("GET", `/v1/endpoints/${endpoint}`, { token: own.token });
    expect((await see(own.id)).status).toBe(200);
    expect((await see(other.id)).status).toBe(404);
    const body = { userKey: `U${"A".repeat(55)}` };
    const mint = (endpoint: string) =>
      gateway.request("POST", `/v1/endpoints/${endpoint}/credentials`, { token: own.token, body });
    expect((await mint(own.id)).status).toBe(200);
    expect((await mint(other.id)).status).toBe(404);
  });
});

function call({ method, path }: Operation, token: string | null): Promise<Response> {
  return gateway.request(method, concrete(path), { token });
}

function concrete(path: string): string {
  return path.replace(/\{\w+\}/g, "01900000-0000-7000-8000-000000000000");
}
