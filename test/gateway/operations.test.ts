/** The table of operations is the router: nothing is served that is not in it, and each entry asks for its scope. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Gateway } from "../../gateway/gateway.ts";
import { createHandlers } from "../../gateway/routes/index.ts";
import { OPERATIONS, type Operation, type OperationName, Scope } from "../../protocol/operations.ts";
import { codeOf, createEndpoint, startTestGateway, type TestGateway } from "./support/gateway.ts";

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
  it("answers 404, as for ids that do not exist", async () => {
    const { id } = await createEndpoint(gateway, "not-theirs");
    const stranger = await gateway.tokenFor(["read", "invoke", "endpoints"], "stranger");
    const routes = NAMES.filter((name) => OPERATIONS[name].path.includes("{endpoint}"));
    for (const name of routes.filter((candidate) => candidate !== "endpointCredentials")) {
      const { method, path } = OPERATIONS[name];
      const body = bodyFor(name);
      const options = { token: stranger, ...(body === undefined ? {} : { body }) };
      for (const wanted of [id, "not-theirs"]) {
        const answer = await gateway.request(method, path.replace("{endpoint}", wanted), options);
        expect([name, answer.status]).toEqual([name, 404]);
        await answer.arrayBuffer();
      }
    }
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

function bodyFor(name: OperationName): unknown {
  return name === "drainEndpoint" ? { drain: true } : undefined;
}
