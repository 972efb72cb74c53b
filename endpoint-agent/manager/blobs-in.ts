/** Arguments above the inline limit: fetched from the agent by hash, kept as files while tasks name them. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { AgentToManager, ManagerToAgent } from "../../protocol/manager-frames.ts";
import { EXHAUSTED_RETRY_MS, isExhausted } from "./exhaustion.ts";

export type BlobRequest = { blob: string; owner: string; task: string; lease: number };
export type BlobsIn = {
  /** Calls back with the file, or with the reason why there is none. The file stays until `release`. */
  get(request: BlobRequest, done: (file: string | undefined, error?: string) => void): void;
  /** One user of the blob has ended. */
  release(blob: string): void;
  chunk(frame: AgentToManager & { kind: "blob-chunk" }, body: Uint8Array): void;
  failed(blob: string, message: string): void;
  /** After a reconnect: asks again for what had not come. */
  askAgain(): void;
};

type Waiting = { request: BlobRequest; done: (file: string | undefined, error?: string) => void };
type Entry = {
  file: string;
  users: number;
  waiting: Waiting[];
  state: "asked" | "here";
  size: number;
  partial: { fd: number; hash: Hash; offset: number } | undefined;
};

/** Files unused are kept up to this many bytes, as the next task often names the same. */
const UNUSED_BYTES = 512 * 1024 * 1024;

/** Keeps blobs in `dir`. That a task may name a blob was checked where it was submitted (PROTOCOL.md rule 28). */
export function createBlobsIn(dir: string, send: (frame: ManagerToAgent) => void): BlobsIn {
  const entries = new Map<string, Entry>();
  const ask = ({ blob, owner, task, lease }: BlobRequest) => send({ kind: "need-blob", blob, owner, task, lease });

  const closePartial = (entry: Entry) => {
    if (entry.partial) closeSync(entry.partial.fd);
    entry.partial = undefined;
  };
  /** Undefined where there is no descriptor for it: what comes is passed over, and asked for again. */
  const begin = (entry: Entry): Entry["partial"] => {
    try {
      return { fd: openSync(`${entry.file}.part`, "w", 0o600), hash: createHash("sha256"), offset: 0 };
    } catch (error) {
      const [first] = entry.waiting;
      if (!isExhausted(error) || !first) throw error;
      setTimeout(ask, EXHAUSTED_RETRY_MS, first.request).unref();
      return undefined;
    }
  };
  const fail = (blob: string, message: string) => {
    const entry = entries.get(blob);
    if (!entry || entry.state === "here") return;
    entries.delete(blob);
    closePartial(entry);
    rmSync(`${entry.file}.part`, { force: true });
    for (const { done } of entry.waiting) done(undefined, message);
  };
  const sweep = () => {
    let unused = 0;
    for (const [blob, entry] of [...entries].reverse()) {
      if (entry.users > 0 || entry.state !== "here") continue;
      unused += entry.size;
      if (unused <= UNUSED_BYTES) continue;
      entries.delete(blob);
      rmSync(entry.file, { force: true });
    }
  };

  return {
    get(request, done) {
      const { blob } = request;
      let entry = entries.get(blob);
      if (!entry) {
        const file = join(dir, blob);
        entry = { file, users: 0, waiting: [], state: "asked", size: 0, partial: undefined };
        entries.set(blob, entry);
        ask(request);
      }
      entry.users++;
      if (entry.state === "here") done(entry.file);
      else entry.waiting.push({ request, done });
    },
    release(blob) {
      const entry = entries.get(blob);
      if (!entry) return;
      entry.users--;
      if (entry.users > 0) return;
      // To the end: the longest unused is swept first.
      entries.delete(blob);
      entries.set(blob, entry);
      sweep();
    },
    chunk({ blob, offset, size, end }, body) {
      const entry = entries.get(blob);
      if (!entry || entry.state === "here") return;
      if (offset === 0) {
        closePartial(entry);
        entry.partial = begin(entry);
      }
      const { partial } = entry;
      if (!partial || partial.offset !== offset) return;
      for (let at = 0; at < body.length; ) at += writeSync(partial.fd, body, at);
      partial.hash.update(body);
      partial.offset += body.length;
      if (!end) return;
      if (partial.offset !== size || partial.hash.digest("hex") !== blob) {
        fail(blob, "the blob that came has another size or hash");
        return;
      }
      closePartial(entry);
      renameSync(`${entry.file}.part`, entry.file);
      entry.state = "here";
      entry.size = size;
      for (const { done } of entry.waiting.splice(0)) done(entry.file);
    },
    failed: fail,
    askAgain() {
      for (const entry of entries.values()) {
        if (entry.state === "asked" && entry.waiting[0]) ask(entry.waiting[0].request);
      }
    },
  };
}
