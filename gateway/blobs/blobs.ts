/**
 * Blobs as files. An upload is streamed to a temporary file and hashed on its way; only when the hash fits is it fsynced and
 * renamed to a name that is never used again, and only then does its row exist (PROTOCOL.md rule 28).
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";
import { BLOB_LIMIT_BYTES } from "../../protocol/task.ts";
import { chunksOf } from "../http/body.ts";
import type { Store } from "../store/port.ts";
import { type ByteRange, parseRange } from "./range.ts";

/** The files of the blob store. */
export type Blobs = {
  /** Stores the stream under its hash. Throws TOO_LARGE, BAD_REQUEST when the bytes are others, STORAGE_FULL. */
  put(
    hash: string,
    stream: ReadableStream<Uint8Array> | null,
    options: { owner: string; isResult: boolean },
  ): Promise<{ blob: string; size: number }>;
  /** The blob, or the part of it that a Range header asks for, as a response. */
  send(hash: string, options: { headers: Record<string, string>; range?: string | undefined }): Promise<Response>;
  /** Deletes what nothing names any more, and files that a crash left; true when there is more to do. */
  sweep(): Promise<boolean>;
};

/** Unreferenced and untouched for this long, a blob goes. */
const UNTOUCHED_MS = 86_400_000;
const FULL_RETRY_MS = 10_000;
const SWEEP_ROWS = 100;
/** Looking for leftovers reads the whole directory. */
const LEFTOVERS_EVERY_MS = 3_600_000;
const PARTIAL = ".part";

/** Where blobs are kept, and how much. */
export type BlobsOptions = {
  dir: string;
  store: Pick<Store, "putBlob" | "getBlob" | "sweepBlobs">;
  log: Logger;
  maxBytes?: number;
  /** uploads stop when the disk has less than this; those of results do not */
  minFreeBytes?: number;
};

/** Opens the blob directory, making it when it is not there. */
export async function openBlobs(options: BlobsOptions): Promise<Blobs> {
  const { dir, store, log } = options;
  const maxBytes = options.maxBytes ?? BLOB_LIMIT_BYTES;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let leftoversAt = 0;

  async function receive(hash: string, stream: AsyncIterable<Uint8Array>, file: FileHandle): Promise<number> {
    const digest = createHash("sha256");
    let size = 0;
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > maxBytes)
        throw new ApiError("TOO_LARGE", `the blob is above ${maxBytes} bytes`, { details: { maxBytes } });
      digest.update(chunk);
      await file.write(chunk);
    }
    const found = digest.digest("hex");
    if (found !== hash) {
      throw new ApiError("BAD_REQUEST", `the bytes have the SHA-256 ${found}, not the one in the path`, {
        details: { field: "blob", value: hash, expected: found },
      });
    }
    await file.sync();
    return size;
  }

  return {
    async put(hash, stream, { owner, isResult }) {
      // As with tasks: results still land when new work does not (PROTOCOL.md rule 27).
      if (!isResult) await refuseWhenFull();
      // A name that no earlier blob had: the sweeper may still be about to remove the file of a deleted row.
      const name = `${hash}.${randomUUID()}`;
      const partial = join(dir, name + PARTIAL);
      try {
        const file = await open(partial, "wx", 0o600);
        let size: number;
        try {
          size = await receive(hash, chunksOf(stream), file);
        } finally {
          await file.close();
        }
        await rename(partial, join(dir, name));
        await syncDirectory(dir);
        await store.putBlob({ hash, size, file: name, owner });
        // When the blob was there already the first file stays the row's.
        if ((await store.getBlob(hash, null))?.file !== name) await unlink(join(dir, name));
        return { blob: hash, size };
      } catch (error) {
        await unlink(partial).catch(() => undefined);
        throw asStorageFull(error);
      }
    },
    async send(hash, { headers, range }) {
      const row = await store.getBlob(hash, null);
      if (!row) throw new ApiError("NOT_FOUND", `the blob ${hash} is not stored`);
      const wanted = parseRange(range, row.size);
      const shown = {
        ...headers,
        "content-type": "application/octet-stream",
        "accept-ranges": "bytes",
        etag: `"${hash}"`,
      };
      if (wanted === "unsatisfiable") {
        return new Response(null, { status: 416, headers: { ...shown, "content-range": `bytes */${row.size}` } });
      }
      const body = row.size === 0 ? null : await openFile(join(dir, row.file), wanted);
      return ranged(body, { headers: shown, size: row.size, range: wanted });
    },
    async sweep() {
      const files = await store.sweepBlobs(UNTOUCHED_MS, SWEEP_ROWS);
      for (const file of files)
        await unlink(join(dir, file)).catch((err) => log.warn({ err, file }, "a blob's file stays"));
      if (files.length === 0 && Date.now() - leftoversAt > LEFTOVERS_EVERY_MS) {
        leftoversAt = Date.now();
        await sweepLeftovers();
      }
      return files.length === SWEEP_ROWS;
    },
  };

  async function refuseWhenFull(): Promise<void> {
    const { bavail, bsize } = await statfs(dir);
    if (bavail * bsize >= (options.minFreeBytes ?? 0)) return;
    throw new ApiError("STORAGE_FULL", "the disk is nearly full; no more blobs are taken", {
      details: { retryAfterMs: FULL_RETRY_MS },
    });
  }

  /** Files that no row names: uploads cut by a crash. Only old ones: an upload may be under way. */
  async function sweepLeftovers(): Promise<void> {
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      const modified = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => Number.POSITIVE_INFINITY,
      );
      if (Date.now() - modified < UNTOUCHED_MS) continue;
      const hash = name.slice(0, 64);
      if (name.endsWith(PARTIAL) || (await store.getBlob(hash, null))?.file !== name) await unlink(path);
    }
  }
}

async function openFile(path: string, range: ByteRange | undefined): Promise<ReadableStream<Uint8Array>> {
  // Opened before the answer begins: a file swept meanwhile is then an error, not a cut answer.
  const file = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "ENOENT" ? new ApiError("NOT_FOUND", "the blob was deleted", { cause }) : cause;
  });
  const span = range ? { start: range.from, end: range.to } : {};
  const stream = createReadStream(path, { fd: file, ...span });
  return Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array>;
}

function ranged(
  body: ReadableStream<Uint8Array> | null,
  { headers, size, range }: { headers: Record<string, string>; size: number; range: ByteRange | undefined },
): Response {
  if (!range) return new Response(body, { headers: { ...headers, "content-length": String(size) } });
  const length = String(range.to - range.from + 1);
  const contentRange = `bytes ${range.from}-${range.to}/${size}`;
  return new Response(body, {
    status: 206,
    headers: { ...headers, "content-length": length, "content-range": contentRange },
  });
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function asStorageFull(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new ApiError("STORAGE_FULL", "there is no room for the blob", {
    cause: error,
    details: { retryAfterMs: FULL_RETRY_MS },
  });
}
