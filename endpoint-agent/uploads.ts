/** Large results on their way up: gathered on disk, checked, then put into the gateway's blob store. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../protocol/errors.ts";
import type { ManagerToAgent } from "../protocol/manager-frames.ts";
import type { GatewayHttp } from "./gateway-http.ts";
import type { Log } from "./log.ts";
import type { Manager } from "./manager.ts";

type Chunk = Extract<ManagerToAgent, { kind: "blob-chunk" }>;

export type Uploads = {
  chunk(manager: Manager, frame: Chunk, bytes: Uint8Array): void;
  /** The connection broke: the manager begins anew with what is not finished. */
  forget(manager: Manager): void;
};

type Upload = { path: string; hash: Hash; received: number; written: Promise<FileHandle> };

const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024;
/** What this machine may be over with soon: the result is not lost for it (FAULTS.md A8, A9). */
const PASSING = ["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EIO", "ESTALE", "ENOMEM"];
const AGAIN_MS = 1_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export type UploadsOptions = { http: GatewayHttp; dir: string; log: Log; signal: AbortSignal };

/** Takes blob chunks of managers. What an earlier agent left in `dir` is removed: its managers send it again. */
export async function createUploads({ http, dir, log, signal }: UploadsOptions): Promise<Uploads> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const uploads = new Map<Manager, Map<string, Upload>>();
  let files = 0;
  let unwritten = 0;

  const of = (manager: Manager) => {
    const own = uploads.get(manager) ?? new Map<string, Upload>();
    uploads.set(manager, own);
    return own;
  };
  const drop = async (upload: Upload) => {
    await upload.written.then((file) => file.close()).catch(() => {});
    await rm(upload.path, { force: true });
  };
  const put = async (frame: Chunk, upload: Upload) => {
    for (let wait = RETRY_MIN_MS; ; wait = Math.min(RETRY_MAX_MS, wait * 2)) {
      try {
        return await http.putBlob(frame.blob, {
          task: frame.task,
          size: frame.size,
          body: createReadStream(upload.path),
        });
      } catch (error) {
        // While the gateway is away the result waits, as every other one does.
        if (error instanceof ApiError && !error.retryable) throw error;
        log.warn({ err: error, blob: frame.blob }, "a large result cannot be stored yet; trying on");
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal });
      }
    }
  };
  const finish = async (manager: Manager, frame: Chunk, upload: Upload) => {
    const answer = { kind: "taken-blob", blob: frame.blob, task: frame.task, lease: frame.lease } as const;
    try {
      await (await upload.written).sync();
      if (upload.received !== frame.size || upload.hash.digest("hex") !== frame.blob) {
        throw new Error("it arrived with other content");
      }
      await put(frame, upload);
      manager.link?.send(answer);
    } catch (error) {
      const again = PASSING.includes((error as NodeJS.ErrnoException).code ?? "") && { again: true as const };
      log.error({ err: error, blob: frame.blob, task: frame.task, ...again }, "a large result cannot be stored");
      if (again) await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
      manager.link?.send({ ...answer, error: (error as Error).message, ...again });
    }
    await drop(upload);
  };

  return {
    chunk(manager, frame, bytes) {
      const own = of(manager);
      const key = `${frame.blob}/${frame.task}/${frame.lease}`;
      let upload = own.get(key);
      if (frame.offset === 0) {
        if (upload) void drop(upload);
        const path = join(dir, `${++files}.part`);
        upload = { path, hash: createHash("sha256"), received: 0, written: open(path, "w", 0o600) };
        own.set(key, upload);
      }
      // The beginning came over an earlier connection; it is sent again from there.
      if (!upload || upload.received !== frame.offset) return;
      const position = frame.offset;
      upload.hash.update(bytes);
      upload.received += bytes.length;
      unwritten += bytes.length;
      // A disk that is slower than the manager must not fill the memory.
      if (unwritten > MAX_UNWRITTEN_BYTES) manager.link?.pause();
      const link = manager.link;
      upload.written = upload.written.then(async (file) => {
        await file.write(bytes, 0, bytes.length, position);
        return file;
      });
      const done = () => {
        unwritten -= bytes.length;
        if (unwritten <= MAX_UNWRITTEN_BYTES) link?.resume();
      };
      upload.written.then(done, done);
      if (!frame.end) return;
      own.delete(key);
      void finish(manager, frame, upload);
    },
    forget(manager) {
      for (const upload of uploads.get(manager)?.values() ?? []) void drop(upload);
      uploads.delete(manager);
    },
  };
}
