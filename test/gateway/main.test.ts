/** The gateway as a process: how it starts, refuses to, stops, and what a kill leaves. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { newId } from "../../protocol/ids.ts";
import { end, type GatewayProcess, makeGatewayHome, residentBytes, spawnGateway } from "./support/process.ts";

async function call(gateway: GatewayProcess, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function prepare(gateway: GatewayProcess): Promise<string> {
  const definition = { name: "f", definition: { runtime: "javascript" }, code: "export default (x) => x" };
  const { id } = (await (await call(gateway, "POST", "/v1/functions", definition)).json()) as { id: string };
  await call(gateway, "POST", "/v1/endpoints", { name: "lap" });
  return id;
}

describe("the gateway's process", () => {
  it("says one line when it is ready, is not ready for work without NATS, and ends with 0 at SIGTERM", async () => {
    await using home = await makeGatewayHome();
    const gateway = await home.start();
    expect(gateway.ready).toMatchObject({
      ready: true,
      pid: gateway.pid,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/),
    });
    expect((await call(gateway, "GET", "/healthz")).status).toBe(200);
    const ready = await call(gateway, "GET", "/readyz");
    expect([ready.status, await ready.json()]).toEqual([503, { ok: false, store: "ok", nats: "not connected" }]);
    const stream = await call(gateway, "GET", "/v1/events");
    const rest = stream.text();
    expect(await end(gateway.child, "SIGTERM")).toBe(0);
    // The stream was ended, not cut.
    expect(await rest).toContain("event: hello");
  });

  it("answers what is under way before it stops", async () => {
    await using home = await makeGatewayHome();
    const gateway = await home.start();
    const fn = await prepare(gateway);
    const waiting = call(gateway, "POST", "/v1/functions/f/invoke", { waitMs: 60_000, args: [] });
    await expect.poll(async () => JSON.stringify(await (await call(gateway, "GET", "/v1/tasks")).json())).toContain(fn);
    const ended = end(gateway.child, "SIGTERM");
    expect((await waiting).status).toBe(202);
    expect(await ended).toBe(0);
  });

  for (const [what, text, message] of [
    ["a missing file", undefined, /cannot be read/],
    [
      "a field that is none",
      "stateDir: s\nnats: {servers: [a], dir: n}\ncolour: red\n",
      /gateway.yaml:3: colour is "red"; expected no such field/,
    ],
    [
      "no token on an open address",
      "stateDir: s\nlisten:\n  host: 0.0.0.0\nallowUnauthenticatedLoopback: true\nnats: {servers: [a], dir: n}\n",
      /gateway.yaml:4: allowUnauthenticatedLoopback is true; expected false/,
    ],
    ["no signer", "stateDir: s\nnats: {servers: [a], dir: nowhere}\n", /signer.json/],
  ] as const) {
    it(`refuses to start with ${what}: exit code 2 and one message`, async () => {
      await using home = await makeGatewayHome();
      const file = join(home.dir, "other", "gateway.yaml");
      if (text !== undefined) {
        const { mkdir } = await import("node:fs/promises");
        await mkdir(join(home.dir, "other"));
        await writeFile(file, text);
      }
      const child = spawnGateway(file);
      let said = "";
      child.stderr?.on("data", (bytes) => {
        said += String(bytes);
      });
      const [code] = await once(child, "exit");
      expect(code).toBe(2);
      expect(said).toMatch(/^CONFIG_INVALID: /);
      expect(said).toMatch(message);
    });
  }

  it("ends with a code that is not 0, and says why, when a thread of the database dies; what it acknowledged is there", async () => {
    await using home = await makeGatewayHome();
    const order = join(home.dir, "die");
    const hook = new URL("support/kill-writer.ts", import.meta.url).href;
    const gateway = await home.start({ NODE_OPTIONS: `--import ${hook}`, TEST_KILL_WRITER: order });
    const fn = await prepare(gateway);
    const id = newId();
    const submit = { specs: [{ function: fn }], tasks: [{ id }] };
    expect((await call(gateway, "POST", "/v1/tasks", submit)).status).toBe(202);
    let said = "";
    gateway.child.stderr?.on("data", (bytes) => {
      said += String(bytes);
    });
    const exited = once(gateway.child, "exit");
    await writeFile(order, "");
    expect(await exited).toEqual([70, null]);
    expect(said).toContain("a thread of the database died");
    expect(said).toContain("the test killed the writer");
    const again = await home.start();
    expect((await call(again, "GET", `/v1/tasks/${id}`)).status).toBe(200);
  });

  it("G1: keeps every task that it acknowledged when it is killed, and gives the same answers afterwards", {
    timeout: 90_000,
  }, async () => {
    await using home = await makeGatewayHome();
    let gateway = await home.start();
    const fn = await prepare(gateway);
    const acknowledged = new Set<string>();
    const open = new Set<string>();
    const submit = async (id: string) => {
      const body = { specs: [{ function: fn }], tasks: [{ id, args: [id] }] };
      open.add(id);
      const answer = await call(gateway, "POST", "/v1/tasks", body);
      expect(answer.status).toBe(202);
      acknowledged.add(id);
      open.delete(id);
    };
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.size;
      let working = true;
      const clients = Array.from({ length: 8 }, async () => {
        // Ends with the connection: a killed gateway answers nothing.
        while (working) await submit(newId()).catch(() => (working = false));
      });
      await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 50);
      await end(gateway.child, "SIGKILL");
      await Promise.all(clients);
      gateway = await home.start();
    }
    for (const id of acknowledged) expect((await call(gateway, "GET", `/v1/tasks/${id}`)).status).toBe(200);
    // Who got no answer asks again: one task each, whether it was stored or not.
    for (const id of [...open]) await submit(id);
    const total = (await (await call(gateway, "GET", "/v1/tasks/counts")).json()) as { counts: { queued: number } };
    expect(total.counts.queued).toBe(acknowledged.size);
  });

  it("takes and gives a blob of 500 MB in a memory that does not grow with it", { timeout: 90_000 }, async () => {
    await using home = await makeGatewayHome();
    const gateway = await home.start();
    const chunk = Buffer.alloc(1024 * 1024, 7);
    const chunks = 500;
    const digest = createHash("sha256");
    for (let i = 0; i < chunks; i++) digest.update(chunk);
    const path = `/v1/blobs/${digest.digest("hex")}`;
    const before = await residentBytes(gateway.pid);
    let most = 0;
    const watch = async () => {
      most = Math.max(most, await residentBytes(gateway.pid));
    };
    const { hostname, port } = new URL(gateway.url);
    const headers = { authorization: `Bearer ${gateway.token}` };
    const put = request({ hostname, port, path, method: "PUT", headers });
    const answered = once(put, "response");
    await pipeline(
      Readable.from(
        (async function* () {
          for (let i = 0; i < chunks; i++) {
            if (i % 20 === 0) await watch();
            yield chunk;
          }
        })(),
      ),
      put,
    );
    expect((await answered)[0].statusCode).toBe(201);
    const got = await call(gateway, "GET", path);
    let size = 0;
    for await (const part of got.body as unknown as AsyncIterable<Uint8Array>) {
      if (size % (16 * 1024 * 1024) < part.length) await watch();
      size += part.length;
    }
    expect(size).toBe(chunks * chunk.length);
    expect(most - before).toBeLessThan(200 * 1024 * 1024);
  });
});
