/** Tokens: their form, how they are kept, how they end. FAULTS.md section 3, "API tokens" and "AuthN default". */
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthenticator } from "../../gateway/auth/authenticator.ts";
import { newBucket, take } from "../../gateway/auth/rate-limit.ts";
import { hashToken, isToken, makeToken } from "../../gateway/auth/token.ts";
import type { TokenRow } from "../../gateway/store/port.ts";
import { codeOf, startTestGateway, type TestGateway } from "./support/gateway.ts";

describe("a token", () => {
  it("has a prefix with its scope, 256 random bits and a checksum", () => {
    const token = makeToken(["read", "admin"]);
    expect(token).toMatch(/^farcall_a_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$/);
    expect(isToken(token)).toBe(true);
    expect(makeToken(["agent"])).toMatch(/^farcall_g_/);
    expect(new Set(Array.from({ length: 100 }, () => makeToken(["read"]))).size).toBe(100);
  });

  it("is refused without a look at the store when a character is changed, added or missing", () => {
    const token = makeToken(["read"]);
    fc.assert(
      fc.property(fc.integer({ min: 10, max: token.length - 1 }), fc.constantFrom(..."aZ9_-"), (at, character) => {
        fc.pre(token[at] !== character);
        expect(isToken(token.slice(0, at) + character + token.slice(at + 1))).toBe(false);
      }),
    );
    expect(isToken(`${token}x`)).toBe(false);
    expect(isToken(token.slice(1))).toBe(false);
  });
});

describe("the rate of a token", () => {
  it("lets a burst through, then as many as a second allows", () => {
    const limit = { perSecond: 10, burst: 3 };
    const bucket = newBucket(limit, 0);
    expect([take(bucket, limit, 0), take(bucket, limit, 0), take(bucket, limit, 0)]).toEqual([0, 0, 0]);
    expect(take(bucket, limit, 0)).toBe(100);
    expect(take(bucket, limit, 100)).toBe(0);
    expect(take(bucket, limit, 150)).toBe(50);
  });

  it("bounds its open streams too, and one that ends makes room", async () => {
    await using limited = await startTestGateway({ config: { limits: { streamsPerToken: 2 } } });
    const open = () => limited.request("GET", "/v1/events");
    const first = await open();
    await open();
    const third = await open();
    expect([third.status, await codeOf(third)]).toEqual([429, "RATE_LIMITED"]);
    await first.body?.cancel();
    await expect.poll(async () => (await open()).status, { timeout: 10_000 }).toBe(200);
  });

  it("is 429 with Retry-After when it is over", async () => {
    await using limited = await startTestGateway({ config: { limits: { requestsPerSecond: 1, requestBurst: 2 } } });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await limited.request("GET", "/v1/me"));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number(answers[2]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await codeOf(answers[2] as Response)).toBe("RATE_LIMITED");
    expect((await limited.request("GET", "/healthz")).status).toBe(200);
  });
});

describe("a cached token", () => {
  const token = makeToken(["read"]);
  const row: TokenRow = {
    id: "t1",
    hash: hashToken(token),
    owner: "ann",
    name: "n",
    scopes: ["read"],
    endpoint: null,
    createdAt: 0,
    expiresAt: 100_000,
    lastUsedAt: null,
  };
  const start = () => {
    const state = { now: 0, row: row as TokenRow | undefined, lookups: 0 };
    const auth = createAuthenticator({
      store: {
        findToken: async () => {
          state.lookups++;
          return state.row;
        },
        touchTokens: async () => undefined,
      },
      log: pino({ level: "silent" }),
      rate: { perSecond: 1e6, burst: 1e6 },
      most: { requests: 2, waits: 1, streams: 2 },
      allowUnauthenticated: false,
      now: () => state.now,
    });
    return { state, auth, authenticate: async () => auth.authenticate(`Bearer ${token}`) };
  };

  it("is looked up once, then again in the background, and is refused within 5 s of a revocation elsewhere", async () => {
    const { state, authenticate } = start();
    for (let i = 0; i < 10; i++) await authenticate();
    expect(state.lookups).toBe(1);
    state.row = undefined;
    state.now = 4_999;
    await expect(authenticate()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("that holds a stream is read again until it is revoked elsewhere, and the stream ends with it", async () => {
    const { state, auth, authenticate } = start();
    const stop = new AbortController();
    const running = auth.run(stop.signal);
    const actor = await authenticate();
    const release = auth.hold(actor, "streams");
    state.now = 3000;
    state.row = undefined;
    await expect.poll(() => actor.revoked.aborted, { timeout: 10_000 }).toBe(true);
    release();
    stop.abort();
    await running;
  });

  it("ends at its expiry even though the cache still trusts it", async () => {
    const { state, authenticate } = start();
    state.now = 99_999;
    const actor = await authenticate();
    state.now = 100_000;
    await expect(authenticate()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(actor.revoked.aborted).toBe(true);
  });
});

describe("the gateway's tokens", () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  it("begin with an admin token in a file that only its owner reads, and that is kept at a restart", async () => {
    const file = join(gateway.stateDir, "admin-token");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const me = await gateway.json("GET", "/v1/me");
    expect(me).toMatchObject({ owner: "admin", scopes: ["admin"], endpoint: null });
    await using other = await startTestGateway();
    await other.stop();
    await using again = await startTestGateway({ stateDir: other.stateDir });
    expect(again.token).toBe(other.token);
    expect((await again.request("GET", "/v1/me")).status).toBe(200);
  });

  it("include a new admin token where the file is gone, and none where it is empty; the old one can be revoked", async () => {
    await using first = await startTestGateway();
    const old = first.token;
    const file = join(first.stateDir, "admin-token");
    await first.stop();
    await rm(file);
    await using again = await startTestGateway({ stateDir: first.stateDir });
    const made = (await readFile(file, "utf8")).trim();
    expect(made).not.toBe(old);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { items } = await again.json<{ items: { id: string; name: string }[] }>("GET", "/v1/tokens", { token: made });
    const lost = items.find(({ name }) => name === "first admin");
    await again.request("DELETE", `/v1/tokens/${lost?.id}`, { token: made });
    expect((await again.request("GET", "/v1/me", { token: old })).status).toBe(401);
    await again.stop();
    await writeFile(file, "");
    await using third = await startTestGateway({ stateDir: first.stateDir });
    expect(await readFile(file, "utf8")).toBe("");
    expect((await third.request("GET", "/v1/me", { token: made })).status).toBe(200);
  });

  it("are never written in the clear: neither to the database nor to the audit log", async () => {
    const token = await gateway.tokenFor(["read"]);
    await gateway.request("GET", "/v1/me", { token });
    for (const name of await readdir(gateway.stateDir)) {
      if (name === "admin-token" || name === "blobs") continue;
      const bytes = await readFile(join(gateway.stateDir, name));
      expect([name, bytes.includes(token), bytes.includes(gateway.token)]).toEqual([name, false, false]);
    }
  });

  it("expire after 90 days if nothing else is said, and say so", async () => {
    const made = await gateway.json<{ view: { expiresAt: number; createdAt: number } }>("POST", "/v1/tokens", {
      body: { name: "n", scopes: ["read"] },
    });
    expect(made.view.expiresAt - made.view.createdAt).toBe(90 * 86_400_000);
    const short = await gateway.json<{ token: string }>("POST", "/v1/tokens", {
      body: { name: "short", scopes: ["read"], expiresInMs: 1 },
    });
    await sleep(5);
    expect((await gateway.request("GET", "/v1/me", { token: short.token })).status).toBe(401);
  });

  it("of an agent are only made with their endpoint", async () => {
    const answer = await gateway.request("POST", "/v1/tokens", { body: { name: "n", scopes: ["agent"] } });
    expect(answer.status).toBe(400);
  });

  it("are taken in the Bearer scheme alone", async () => {
    const { token } = gateway;
    const basic = Buffer.from(`:${token}`).toString("base64");
    const schemes = [token, `Basic ${basic}`, `Token ${token}`, `Bearer  ${token}`, `Bearer ${token},`, "Bearer", ""];
    for (const authorization of schemes) {
      const answer = await gateway.request("GET", "/v1/me", { token: null, headers: { authorization } });
      expect([authorization, answer.status]).toEqual([authorization, 401]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  it("that are revoked end at once, and so do open streams of theirs", async () => {
    const { token, view } = await gateway.json<{ token: string; view: { id: string } }>("POST", "/v1/tokens", {
      body: { name: "n", scopes: ["read"] },
    });
    const stream = await gateway.request("GET", "/v1/events", { token });
    const reader = stream.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    expect((await reader.read()).done).toBe(false);
    expect((await gateway.request("DELETE", `/v1/tokens/${view.id}`)).status).toBe(200);
    for (;;) if ((await reader.read()).done) break;
    expect((await gateway.request("GET", "/v1/me", { token })).status).toBe(401);
    expect((await gateway.request("DELETE", `/v1/tokens/${view.id}`)).status).toBe(404);
  });
});

describe("who may speak to a gateway on loopback", () => {
  it("is not who comes under a foreign name (DNS rebinding), nor a page of another origin", async () => {
    await using gateway = await startTestGateway({ config: { allowUnauthenticatedLoopback: true } });
    const { port } = new URL(gateway.url);
    const ask = (headers: Record<string, string>) => rawStatus(Number(port), headers);
    expect(await ask({ Host: `127.0.0.1:${port}` })).toBe(200);
    expect(await ask({ Host: `localhost:${port}` })).toBe(200);
    expect(await ask({ Host: `evil.example:${port}` })).toBe(403);
    expect(await ask({ Host: "127.0.0.1.evil.example" })).toBe(403);
    expect(await ask({ Host: `localhost:${port}`, Origin: "https://evil.example" })).toBe(403);
    expect(await ask({ Host: `localhost:${port}`, Origin: "null" })).toBe(403);
    expect(await ask({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` })).toBe(200);
  });

  it("gets no CORS header, unless its origin is configured", async () => {
    await using closed = await startTestGateway();
    const refused = await closed.request("GET", "/v1/me", { headers: { origin: "https://app.example" } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    await using open = await startTestGateway({ config: { corsOrigins: ["https://app.example"] } });
    const allowed = await open.request("GET", "/v1/me", { headers: { origin: "https://app.example" } });
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, "https://app.example"]);
    const other = await open.request("GET", "/v1/me", { headers: { origin: "https://app.example.evil" } });
    expect([other.status, other.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  });
});

/** fetch sets Host and Origin itself, so this speaks HTTP by hand. */
async function rawStatus(port: number, headers: Record<string, string>): Promise<number> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path: "/v1/me", headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.once("error", reject);
    sent.end();
  });
}
