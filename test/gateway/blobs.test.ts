/** Blobs: streamed, checked by their hash, and reachable only for those whose tasks name them. */
import { createHash } from "node:crypto";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBlobs } from "../../gateway/blobs/blobs.ts";
import { parseRange } from "../../gateway/blobs/range.ts";
import { newId } from "../../protocol/ids.ts";
import { codeOf, createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";
import { openSite } from "./support/site.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const random = (size: number, seed = 1) => Uint8Array.from({ length: size }, (_, i) => (i * 2654435761 * seed) >>> 13);
const files = async () => (await readdir(join(gateway.stateDir, "blobs"))).sort();

async function put(bytes: Uint8Array, options: { token?: string; query?: string } = {}): Promise<Response> {
  const { token, query = "" } = options;
  return gateway.request("PUT", `/v1/blobs/${hashOf(bytes)}${query}`, { body: bytes, ...(token ? { token } : {}) });
}

describe("a blob", () => {
  it("is stored under its hash, found, read whole and in ranges", async () => {
    const bytes = random(300_000);
    const hash = hashOf(bytes);
    expect((await gateway.request("HEAD", `/v1/blobs/${hash}`)).status).toBe(404);
    const stored = await put(bytes);
    expect([stored.status, await stored.json()]).toEqual([201, { blob: hash, size: bytes.length }]);
    const head = await gateway.request("HEAD", `/v1/blobs/${hash}`);
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "300000"]);
    const whole = await gateway.request("GET", `/v1/blobs/${hash}`);
    expect(hashOf(new Uint8Array(await whole.arrayBuffer()))).toBe(hash);
    const part = await gateway.request("GET", `/v1/blobs/${hash}`, { headers: { range: "bytes=1000-1999" } });
    expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 1000-1999/300000"]);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000, 2000))).toBe(true);
    const beyond = await gateway.request("GET", `/v1/blobs/${hash}`, { headers: { range: "bytes=300000-" } });
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, "bytes */300000"]);
  });

  it("of no bytes, of one byte and of many chunks comes back as it was", async () => {
    for (const size of [0, 1, 65_536, 1_000_003]) {
      const bytes = random(size, size + 7);
      expect((await put(bytes)).status).toBe(201);
      const back = await gateway.request("GET", `/v1/blobs/${hashOf(bytes)}`);
      expect(Buffer.from(await back.arrayBuffer()).equals(bytes)).toBe(true);
    }
  });

  it("with other bytes than its name says is refused and leaves nothing behind", async () => {
    const before = await files();
    const answer = await gateway.request("PUT", `/v1/blobs/${"0".repeat(64)}`, { body: random(1000) });
    expect([answer.status, await codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
    const badName = await gateway.request("PUT", "/v1/blobs/..%2f..%2fescape", { body: random(10) });
    expect(badName.status).toBe(400);
    expect(await files()).toEqual(before);
  });

  it("that is uploaded twice, also at the same time, is one file", async () => {
    const before = (await files()).length;
    const bytes = random(50_000, 3);
    const answers = await Promise.all(Array.from({ length: 8 }, () => put(bytes)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 201));
    expect((await files()).length).toBe(before + 1);
  });

  it("whose upload is cut leaves nothing behind", async () => {
    const before = await files();
    const bytes = random(100_000, 5);
    const abort = new AbortController();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.subarray(0, 50_000)),
    });
    const sending = fetch(`${gateway.url}/v1/blobs/${hashOf(bytes)}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${gateway.token}` },
      body,
      duplex: "half",
      signal: abort.signal,
    } as RequestInit);
    await expect.poll(async () => (await files()).length).toBe(before.length + 1);
    abort.abort();
    await expect(sending).rejects.toThrow();
    await expect.poll(files).toEqual(before);
  });

  it("above the limit is refused by its announced length", async () => {
    const { request } = await import("node:http");
    const { hostname, port } = new URL(gateway.url);
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${gateway.token}`, "content-length": String(1024 ** 3 + 1) };
      const sent = request(
        { hostname, port, path: `/v1/blobs/${"0".repeat(64)}`, method: "PUT", headers },
        (answer) => {
          resolve(answer.statusCode);
          sent.destroy();
        },
      );
      sent.once("error", reject);
      sent.write("x");
    });
    expect(status).toBe(413);
  });
});

describe("whose a blob is", () => {
  it("is its owner's: others get 404, and may store the same bytes themselves", async () => {
    const bytes = random(2000, 13);
    const hash = hashOf(bytes);
    await put(bytes);
    const stranger = await gateway.tokenFor(["read", "invoke"], "stranger");
    expect((await gateway.request("GET", `/v1/blobs/${hash}`, { token: stranger })).status).toBe(404);
    expect((await put(bytes, { token: stranger })).status).toBe(201);
    expect((await gateway.request("GET", `/v1/blobs/${hash}`, { token: stranger })).status).toBe(200);
  });

  it("is reached by an agent only for a task that its endpoint holds", async () => {
    const fn = await registerFunction(gateway);
    const own = await createEndpoint(gateway, "own");
    const other = await createEndpoint(gateway, "other");
    const bytes = random(400_000, 17);
    const hash = hashOf(bytes);
    await put(bytes);
    const id = newId();
    const entry = { id, blob: hash, size: bytes.length };
    const body = { specs: [{ function: fn, endpoint: "own" }], tasks: [entry] };
    expect((await gateway.request("POST", "/v1/tasks", { body })).status).toBe(202);
    const get = (token: string, query: string) => gateway.request("GET", `/v1/blobs/${hash}${query}`, { token });
    expect((await get(own.token, `?task=${id}`)).status).toBe(404);
    const site = await openSite(gateway, own.id);
    const [leased] = await site.take();
    expect((await get(own.token, "")).status).toBe(400);
    expect((await get(own.token, `?task=${newId()}`)).status).toBe(404);
    expect((await get(other.token, `?task=${id}`)).status).toBe(404);
    const got = await get(own.token, `?task=${id}`);
    expect(hashOf(new Uint8Array(await got.arrayBuffer()))).toBe(hash);

    const result = random(500_000, 19);
    expect((await put(result, { token: other.token, query: `?task=${id}` })).status).toBe(404);
    expect((await put(result, { token: own.token, query: `?task=${id}` })).status).toBe(201);
    const blob = { blob: hashOf(result), size: result.length };
    await site.report([{ id, lease: leased?.lease as number, encoding: "raw", ...blob }]);
    expect(await gateway.json("GET", `/v1/tasks/${id}/result`)).toMatchObject({
      state: "succeeded",
      encoding: "raw",
      blob,
    });
    const bytesBack = await gateway.request("GET", `/v1/tasks/${id}/result/bytes`);
    expect(bytesBack.headers.get("farcall-encoding")).toBe("raw");
    expect(hashOf(new Uint8Array(await bytesBack.arrayBuffer()))).toBe(blob.blob);
    expect((await put(random(10, 23), { token: own.token, query: `?task=${id}` })).status).toBe(404);
  });

  it("rule 28: matters to a submit that names it: what is not stored is BLOB_MISSING", async () => {
    const fn = await registerFunction(gateway);
    const body = { specs: [{ function: fn, endpoint: "own" }], tasks: [{ blob: "1".repeat(64), size: 10 }] };
    const answer = await gateway.request("POST", "/v1/tasks", { body });
    expect([answer.status, await codeOf(answer)]).toEqual([422, "BLOB_MISSING"]);
  });
});

describe("a disk that is nearly full", () => {
  it("N4, rule 27: takes no more blobs of submits, but those of results", async () => {
    const dir = join(gateway.stateDir, "full");
    const store = { putBlob: async () => {}, getBlob: async () => undefined, sweepBlobs: async () => [] };
    const log = pino({ level: "silent" });
    const blobs = await openBlobs({ dir, store, log, minFreeBytes: Number.MAX_SAFE_INTEGER });
    const bytes = random(10, 31);
    const upload = (isResult: boolean) =>
      blobs.put(hashOf(bytes), new Blob([bytes]).stream(), { owner: "ann", isResult });
    await expect(upload(false)).rejects.toMatchObject({ code: "STORAGE_FULL", retryable: true });
    await expect(upload(true)).resolves.toEqual({ blob: hashOf(bytes), size: 10 });
  });
});

describe("the sweeper", () => {
  it("rule 28: removes a deleted row's own file, and what crashes left, but no upload under way", async () => {
    const dir = join(gateway.stateDir, "sweeping");
    const rows = new Map<string, { hash: string; size: number; file: string }>();
    let swept: string[] = [];
    const blobs = await openBlobs({
      dir,
      log: pino({ level: "silent" }),
      store: {
        putBlob: async ({ hash, size, file }) => void rows.set(hash, { hash, size, file }),
        getBlob: async (hash) => rows.get(hash),
        sweepBlobs: async () => swept.splice(0),
      },
    });
    const bytes = random(100, 29);
    const hash = hashOf(bytes);
    const upload = () => blobs.put(hash, new Blob([bytes]).stream(), { owner: "ann", isResult: false });
    await upload();
    const first = rows.get(hash)?.file as string;
    rows.delete(hash);
    swept = [first];
    await upload();
    const second = rows.get(hash)?.file as string;
    expect(second).not.toBe(first);
    await blobs.sweep();
    expect(await readdir(dir)).toEqual([second]);

    const { writeFile } = await import("node:fs/promises");
    for (const name of ["old.part", "young.part", `${"2".repeat(64)}.orphan`]) await writeFile(join(dir, name), "x");
    const longAgo = new Date(Date.now() - 2 * 86_400_000);
    for (const name of ["old.part", `${"2".repeat(64)}.orphan`, second])
      await utimes(join(dir, name), longAgo, longAgo);
    await blobs.sweep();
    expect((await readdir(dir)).sort()).toEqual([second, "young.part"].sort());
  });
});

describe("a Range header", () => {
  it("never gives bytes outside of the blob", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(60), fc.nat(60), (size, a, b) => {
        for (const header of [`bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${a}`, "bytes=-", "lines=1-2"]) {
          const range = parseRange(header, size);
          if (range === undefined || range === "unsatisfiable") continue;
          expect(range.from).toBeGreaterThanOrEqual(0);
          expect(range.to).toBeLessThan(size);
          expect(range.from).toBeLessThanOrEqual(range.to);
        }
      }),
    );
    expect(parseRange("bytes=2-3", 10)).toEqual({ from: 2, to: 3 });
    expect(parseRange("bytes=-3", 10)).toEqual({ from: 7, to: 9 });
    expect(parseRange("bytes=5-2", 10)).toBeUndefined();
    expect(parseRange("bytes=10-", 10)).toBe("unsatisfiable");
  });
});
