/** A whole gateway in the test's process: real HTTP on a free loopback port, a real SQLite database in a temporary directory. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { GatewayConfig } from "../../../gateway/config.ts";
import type { Hub } from "../../../gateway/events/hub.ts";
import type { MintCredentials } from "../../../gateway/gateway.ts";
import type { Dispatcher } from "../../../gateway/ports.ts";
import { startGateway } from "../../../gateway/start.ts";
import type { Store } from "../../../gateway/store/port.ts";
import { openSqliteStore } from "../../../gateway/store/sqlite/open.ts";
import type { Scope } from "../../../protocol/operations.ts";
import { createUnwiredDispatcher } from "./unwired.ts";

/** What differs from the usual gateway. */
export type TestGatewayOptions = {
  config?: Record<string, unknown>;
  /** kept at the end when given, so that a second gateway can be started in it */
  stateDir?: string;
  dispatcher?: (parts: { store: Store; hub: Hub }) => Dispatcher;
  /** stands between the gateway and its store */
  wrapStore?: (store: Store) => Store;
  mintCredentials?: MintCredentials;
};

/** Requests to a gateway. */
export type TestClient = {
  url: string;
  token: string;
  /** A request in the admin's name, or with the token given; no token when it is null. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** As request, and the answer's JSON. */
  json<T = Record<string, unknown>>(method: string, path: string, options?: RequestOptions): Promise<T>;
  /** A new token with these scopes. */
  tokenFor(scopes: Scope[], owner?: string): Promise<string>;
};

/** A gateway in this process, with its parts in reach. */
export type TestGateway = AsyncDisposable &
  TestClient & {
    stateDir: string;
    store: Store;
    hub: Hub;
    dispatcher: Dispatcher;
    stop(): Promise<void>;
  };

/** What a request brings. */
export type RequestOptions = {
  token?: string | null;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

/** Starts it; `await using` stops it and removes its directory. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), "farcall-gateway-")));
  const config = GatewayConfig.parse({ stateDir, nats: { servers: ["none"], dir: stateDir }, ...options.config });
  let store: Store | undefined;
  let hub: Hub | undefined;
  let dispatcher: Dispatcher | undefined;
  const gateway = await startGateway({
    config,
    version: "test",
    log: pino({ level: "silent" }),
    adapters: {
      async openStore({ limits, durability }) {
        const real = await openSqliteStore({ file: join(stateDir, "farcall.db"), durability, limits });
        store = options.wrapStore?.(real) ?? real;
        return store;
      },
      async openDispatcher(parts) {
        hub = parts.hub;
        dispatcher = (options.dispatcher ?? createUnwiredDispatcher)(parts);
        return dispatcher;
      },
      openRevocation: () => ({ changed: () => undefined }),
      mintCredentials:
        options.mintCredentials ?? (async () => ({ jwt: "jwt", servers: ["nats://127.0.0.1:4222"], expiresAt: 1 })),
    },
  });
  const token = (await readFile(gateway.tokenFile, "utf8")).trim();
  return {
    ...clientOf(gateway.url, token),
    stateDir,
    store: store as Store,
    hub: hub as Hub,
    dispatcher: dispatcher as Dispatcher,
    stop: gateway.stop,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Requests to a gateway at `url`. */
export function clientOf(url: string, token: string): TestClient {
  const request: TestClient["request"] = (method, path, { token: other, body, headers, signal } = {}) =>
    fetch(`${url}${path}`, {
      method,
      headers: {
        ...(other === null ? {} : { authorization: `Bearer ${other ?? token}` }),
        ...(body === undefined || body instanceof Uint8Array ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  const json: TestClient["json"] = async (method, path, more) => (await request(method, path, more)).json() as never;
  return {
    url,
    token,
    request,
    json,
    async tokenFor(scopes, owner) {
      const body = { name: scopes.join("-"), scopes, ...(owner === undefined ? {} : { owner }) };
      return (await json<{ token: string }>("POST", "/v1/tokens", { body })).token;
    },
  };
}

/** The code of an error's answer. */
export async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

/** Registers a function for the token's owner and returns its id. */
export async function registerFunction(gateway: TestClient, name = "f", token?: string): Promise<string> {
  const body = { name, definition: { runtime: "javascript" }, code: `export default (x) => x; // ${name}` };
  const view = await gateway.json<{ id: string }>("POST", "/v1/functions", { body, ...(token ? { token } : {}) });
  return view.id;
}

/** Creates an endpoint for the token's owner. */
export async function createEndpoint(gateway: TestClient, name: string, token?: string) {
  const options = { body: { name }, ...(token ? { token } : {}) };
  const made = await gateway.json<{ endpoint: { id: string }; token: string }>("POST", "/v1/endpoints", options);
  return { id: made.endpoint.id, token: made.token };
}
