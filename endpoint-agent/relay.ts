/** Functions and blobs between the gateway and managers: fetched once, checked by hash, kept on disk by hash. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../protocol/errors.ts";
import { definitionText, FunctionDefinition, sha256Hex } from "../protocol/function.ts";
import { BLOB_CHUNK_BYTES } from "../protocol/manager-frames.ts";
import { trimCache } from "./cache-trim.ts";
import type { GatewayHttp } from "./gateway-http.ts";
import type { Log } from "./log.ts";
import type { ManagerLink } from "./manager-link.ts";

export type Relay = {
  sendFunction(link: ManagerLink, id: string): Promise<void>;
  sendBlob(link: ManagerLink, hash: string, task: string): Promise<void>;
};

/** A link is given the next chunk when less than this waits in it, so that results are not stuck behind a blob. */
const MAX_BUFFERED_BYTES = 2 * BLOB_CHUNK_BYTES;

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** Enough for the largest blob and what else is in use. */
const CACHE_BYTES = 4 * 1024 ** 3;

export type RelayOptions = { http: GatewayHttp; cacheDir: string; log: Log; maxBytes?: number };

/** Makes the relay; `cacheDir` is private to the agent. */
export async function createRelay({ http, cacheDir, log, maxBytes = CACHE_BYTES }: RelayOptions): Promise<Relay> {
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  const fetching = new Map<string, Promise<unknown>>();
  /** many managers ask for the same thing in the same moment */
  const once = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const running = fetching.get(key) as Promise<T> | undefined;
    if (running) return running;
    const promise = work().finally(() => fetching.delete(key));
    fetching.set(key, promise);
    return promise;
  };
  let temporary = 0;
  /** bytes added since the cache was last looked at */
  let unseen = await trimCache(cacheDir, maxBytes);
  const store = async (path: string, write: (partial: string) => Promise<void>) => {
    const partial = `${path}.${process.pid}-${++temporary}.part`;
    try {
      await write(partial);
      await rename(partial, path);
      unseen += (await stat(path)).size;
      if (unseen < maxBytes / 4) return;
      unseen = 0;
      await trimCache(cacheDir, maxBytes);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  };

  const functionOf = async (id: string) => {
    const cached = await readFunction(join(cacheDir, `${id}.json`), id);
    if (cached) return cached;
    const fetched = await http.fetchFunction(id);
    const text = JSON.stringify({ definition: fetched.definition, code: Buffer.from(fetched.code).toString("base64") });
    await store(join(cacheDir, `${id}.json`), (path) => writeFile(path, text, { mode: 0o600 }));
    return fetched;
  };
  const blobFile = async (hash: string, task: string) => {
    const path = join(cacheDir, `${hash}.blob`);
    const now = new Date();
    // Its time of use: the oldest go first when the cache is cut.
    const known = await utimes(path, now, now).then(
      () => true,
      () => false,
    );
    if (!known) await store(path, async (partial) => receiveBlob(await http.fetchBlob(hash, task), hash, partial));
    return path;
  };

  return {
    async sendFunction(link, id) {
      try {
        const { definition, code } = await once(id, () => functionOf(id));
        link.send({ kind: "function", function: id, definition }, [code]);
      } catch (error) {
        log.warn({ err: error, function: id }, "a function cannot be fetched");
        const gone = error instanceof ApiError && error.code === "FUNCTION_GONE";
        const code = gone ? "FUNCTION_GONE" : "UNAVAILABLE";
        link.send({ kind: "function-error", function: id, code, message: (error as Error).message });
      }
    },
    async sendBlob(link, hash, task) {
      for (let wait = RETRY_MIN_MS; link.open; wait = Math.min(RETRY_MAX_MS, 2 * wait)) {
        try {
          const path = await once(hash, () => blobFile(hash, task));
          return await sendFile(link, { path, hash });
        } catch (error) {
          log.warn({ err: error, blob: hash }, "a blob cannot be fetched");
          // An error ends the tasks that wait for it; a gateway that is away for a while is no reason for that.
          if (!(error instanceof ApiError && error.retryable)) {
            return link.send({ kind: "blob-error", blob: hash, message: (error as Error).message });
          }
          await sleep(wait * (0.5 + Math.random() / 2), undefined, { ref: false });
        }
      }
    },
  };
}

async function readFunction(path: string, id: string) {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const content = JSON.parse(text) as { definition: unknown; code: string };
    const definition = FunctionDefinition.parse(content.definition);
    const code = new Uint8Array(Buffer.from(content.code, "base64"));
    const whole = (await sha256Hex(definitionText(definition))) === id && (await sha256Hex(code)) === definition.code;
    return whole ? { definition, code } : undefined;
  } catch {
    // A cache that was tampered with or cut short is fetched anew.
    return undefined;
  }
}

async function receiveBlob(source: AsyncIterable<Uint8Array>, hash: string, path: string): Promise<void> {
  const digest = createHash("sha256");
  await pipeline(
    source,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        digest.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(path, { mode: 0o600 }),
  );
  if (digest.digest("hex") !== hash) throw new Error(`blob ${hash} arrived with other content`);
}

async function sendFile(link: ManagerLink, { path, hash }: { path: string; hash: string }): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path);
  try {
    for (let offset = 0; ; ) {
      await link.belowBuffered(MAX_BUFFERED_BYTES);
      if (!link.open) return;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(BLOB_CHUNK_BYTES), 0, BLOB_CHUNK_BYTES, offset);
      const end = offset + bytesRead >= size;
      link.send({ kind: "blob-chunk", blob: hash, offset, size, end }, [buffer.subarray(0, bytesRead)]);
      offset += bytesRead;
      if (end) return;
    }
  } finally {
    await file.close();
  }
}
