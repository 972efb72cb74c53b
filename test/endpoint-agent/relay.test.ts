import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GatewayHttp } from "../../endpoint-agent/gateway-http.ts";
import { createRelay } from "../../endpoint-agent/relay.ts";
import { createUploads } from "../../endpoint-agent/uploads.ts";
import { ApiError } from "../../protocol/errors.ts";
import { definitionText, type FunctionDefinition, sha256Hex } from "../../protocol/function.ts";
import { BLOB_CHUNK_BYTES } from "../../protocol/manager-frames.ts";
import { waitFor } from "../support/wait-for.ts";
import { type RecordedLink, recordedLink, testManager } from "./support.ts";

const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-relay-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const code = new TextEncoder().encode("export default (x) => x;");
const definition: FunctionDefinition = { runtime: "javascript", code: await sha256Hex(code), entry: "default" };
const id = await sha256Hex(definitionText(definition));
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const kinds = (link: RecordedLink) => link.sent.map(({ frame }) => frame.kind);

/** A gateway with one function and blobs by hash; it counts what it is asked. */
function gatewayWith(blobs: Record<string, Uint8Array> = {}) {
  const asked = { functions: 0, blobs: 0 };
  const stored = new Map<string, Uint8Array>();
  const state = { failures: 0, refuse: undefined as ApiError | undefined };
  const http = {
    async fetchFunction(wanted: string) {
      asked.functions++;
      if (wanted !== id) throw new ApiError("FUNCTION_GONE", "it is not registered any more");
      return { definition, code };
    },
    async fetchBlob(hash: string) {
      asked.blobs++;
      if (state.failures-- > 0) throw new ApiError("UNAVAILABLE", "not now");
      const bytes = blobs[hash];
      if (!bytes) throw new ApiError("BLOB_GONE", "it is not stored any more");
      return Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]);
    },
    async putBlob(hash: string, { body }: { body: Readable }) {
      if (state.refuse) throw state.refuse;
      if (state.failures-- > 0) throw new ApiError("UNAVAILABLE", "not now");
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk as Buffer);
      stored.set(hash, Buffer.concat(chunks));
    },
  } as unknown as GatewayHttp;
  return { http, asked, stored, state };
}

describe("functions and blobs on their way to managers", () => {
  it("are fetched once for many managers, and kept on disk for the next agent", async () => {
    const { http, asked } = gatewayWith();
    const links = [recordedLink(), recordedLink()];
    const relay = await createRelay({ http, cacheDir: dir, log });
    await Promise.all(links.map((link) => relay.sendFunction(link, id)));
    await (await createRelay({ http, cacheDir: dir, log })).sendFunction(links[0] as RecordedLink, id);
    expect(asked.functions).toBe(1);
    const [sent] = (links[0] as RecordedLink).sent;
    expect(sent?.frame).toEqual({ kind: "function", function: id, definition });
    expect([...(sent?.chunks[0] ?? [])]).toEqual([...code]);
  });

  it("are fetched anew when the copy on disk was changed", async () => {
    const { http, asked } = gatewayWith();
    const relay = await createRelay({ http, cacheDir: dir, log });
    await relay.sendFunction(recordedLink(), id);
    const evil = Buffer.from("export default () => process.exit();").toString("base64");
    writeFileSync(join(dir, `${id}.json`), JSON.stringify({ definition, code: evil }));
    const link = recordedLink();
    await relay.sendFunction(link, id);
    expect(asked.functions).toBe(2);
    expect([...(link.sent[0]?.chunks[0] ?? [])]).toEqual([...code]);
  });

  it("say FUNCTION_GONE when it was deleted", async () => {
    const relay = await createRelay({ http: gatewayWith().http, cacheDir: dir, log });
    const link = recordedLink();
    await relay.sendFunction(link, "0".repeat(64));
    expect(link.sent[0]?.frame).toMatchObject({ kind: "function-error", code: "FUNCTION_GONE" });
  });

  it("come in chunks, in order", async () => {
    const bytes = new Uint8Array(2.5 * BLOB_CHUNK_BYTES).map((_, i) => i % 253);
    const hash = hashOf(bytes);
    const { http, asked } = gatewayWith({ [hash]: bytes });
    const relay = await createRelay({ http, cacheDir: dir, log });
    const link = recordedLink();
    await relay.sendBlob(link, hash, "t");
    await relay.sendBlob(recordedLink(), hash, "t");
    expect(asked.blobs).toBe(1);
    expect(link.sent.map(({ frame }) => frame)).toEqual([
      { kind: "blob-chunk", blob: hash, offset: 0, size: bytes.length, end: false },
      { kind: "blob-chunk", blob: hash, offset: BLOB_CHUNK_BYTES, size: bytes.length, end: false },
      { kind: "blob-chunk", blob: hash, offset: 2 * BLOB_CHUNK_BYTES, size: bytes.length, end: true },
    ]);
    expect(hashOf(Buffer.concat(link.sent.map(({ chunks }) => chunks[0] as Uint8Array)))).toBe(hash);
  });

  it("wait while the gateway is away, because an error would end their tasks", async () => {
    const hash = hashOf(code);
    const { http, state } = gatewayWith({ [hash]: code });
    state.failures = 2;
    const relay = await createRelay({ http, cacheDir: dir, log });
    const link = recordedLink();
    await relay.sendBlob(link, hash, "t");
    expect(kinds(link)).toEqual(["blob-chunk"]);
  });

  it("are refused when their content is not what their hash says, and nothing of it stays", async () => {
    const wrong = "1".repeat(64);
    const relay = await createRelay({ http: gatewayWith({ [wrong]: code }).http, cacheDir: dir, log });
    const link = recordedLink();
    await relay.sendBlob(link, wrong, "t");
    expect(link.sent[0]?.frame).toMatchObject({
      kind: "blob-error",
      message: expect.stringContaining("other content"),
    });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("the cache of functions and blobs", () => {
  it("stays within its size: what was used longest ago goes first", async () => {
    const blobs = Array.from({ length: 6 }, (_, i) => new Uint8Array(1_000).fill(i));
    const { http, asked } = gatewayWith(Object.fromEntries(blobs.map((bytes) => [hashOf(bytes), bytes])));
    const relay = await createRelay({ http, cacheDir: dir, log, maxBytes: 3_000 });
    for (const bytes of blobs) {
      await relay.sendBlob(recordedLink(), hashOf(bytes), "t");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(readdirSync(dir)).toHaveLength(3);
    await relay.sendBlob(recordedLink(), hashOf(blobs[5] as Uint8Array), "t");
    expect(asked.blobs).toBe(6);
    await relay.sendBlob(recordedLink(), hashOf(blobs[0] as Uint8Array), "t");
    expect(asked.blobs).toBe(7);
  });
});

describe("large results on their way up", () => {
  const bytes = new Uint8Array(700_000).map((_, i) => i % 241);
  const hash = hashOf(bytes);
  const chunk = (offset: number, length: number) => ({
    kind: "blob-chunk" as const,
    blob: hash,
    task: "t",
    lease: 1,
    size: bytes.length,
    offset,
    end: offset + length === bytes.length,
  });
  const setUp = async () => {
    const gateway = gatewayWith();
    const stopped = new AbortController();
    const uploads = await createUploads({ http: gateway.http, dir: join(dir, "up"), log, signal: stopped.signal });
    const manager = testManager();
    const send = (from: number, to: number) => uploads.chunk(manager, chunk(from, to - from), bytes.subarray(from, to));
    return { ...gateway, uploads, manager, send };
  };

  it("are gathered, stored, and then acknowledged; no file stays", async () => {
    const { send, manager, stored } = await setUp();
    send(0, 300_000);
    expect(kinds(manager.link)).toEqual([]);
    send(300_000, 700_000);
    await waitFor(() => manager.link.sent.length > 0, { what: "the acknowledgement" });
    expect(manager.link.sent[0]?.frame).toEqual({ kind: "taken-blob", blob: hash, task: "t", lease: 1 });
    expect(hashOf(stored.get(hash) ?? new Uint8Array(0))).toBe(hash);
    await waitFor(() => readdirSync(join(dir, "up")).length === 0, { what: "the end of its file" });
  });

  it("wait while the gateway is away", async () => {
    const { send, manager, state } = await setUp();
    state.failures = 2;
    send(0, 700_000);
    await waitFor(() => manager.link.sent.length > 0, { what: "the acknowledgement" });
    expect(manager.link.sent[0]?.frame).not.toHaveProperty("error");
  });

  it("W8: end with the gateway's word when it refuses them", async () => {
    const { send, manager, state } = await setUp();
    state.refuse = new ApiError("TOO_LARGE", "above the limit");
    send(0, 700_000);
    await waitFor(() => manager.link.sent.length > 0, { what: "the refusal" });
    expect(manager.link.sent[0]?.frame).toMatchObject({ kind: "taken-blob", error: "above the limit" });
  });

  it("begin anew after a broken connection, and a chunk out of its turn is dropped", async () => {
    const { send, manager, uploads, stored } = await setUp();
    send(0, 300_000);
    uploads.forget(manager);
    send(300_000, 700_000);
    send(0, 300_000);
    send(500_000, 700_000);
    send(300_000, 700_000);
    await waitFor(() => manager.link.sent.length > 0, { what: "the acknowledgement" });
    expect(manager.link.sent).toHaveLength(1);
    expect(hashOf(stored.get(hash) ?? new Uint8Array(0))).toBe(hash);
  });
});
