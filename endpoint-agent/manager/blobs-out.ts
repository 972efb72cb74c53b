/** Results above the inline limit: sent up in chunks, one after the other, until the agent has taken them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import type { AgentToManager, ManagerToAgent } from "../../protocol/manager-frames.ts";
import { BLOB_CHUNK_BYTES } from "../../protocol/manager-frames.ts";
import { EXHAUSTED_RETRY_MS, isExhausted } from "./exhaustion.ts";

export type OutgoingBlob = { file: string; task: string; lease: number };
export type SentBlob = { blob: string; size: number } | { error: string };

export type BlobsOut = {
  /** Uploads the file and removes it; calls back when the agent has it. */
  send(blob: OutgoingBlob, done: (sent: SentBlob) => void): void;
  taken(frame: AgentToManager & { kind: "taken-blob" }): void;
  /** After a reconnect: begins the current upload anew. */
  again(): void;
  /** How many are on their way. */
  pending(): number;
};

export type BlobSink = {
  send(frame: ManagerToAgent, chunks: readonly Uint8Array[]): void;
  /** bytes that the link has not taken yet */
  backlog(): number;
};

type Upload = OutgoingBlob & { done: (sent: SentBlob) => void };

const MAX_BACKLOG = 4 * BLOB_CHUNK_BYTES;
const BACKLOG_WAIT_MS = 5;

/** Uploads one blob at a time, never more than a few chunks ahead of the link. */
export function createBlobsOut(sink: BlobSink): BlobsOut {
  const queue: Upload[] = [];
  /** counts up with each try: an older one stops when it sees that */
  let round = 0;
  let answered: ((error: string | undefined) => void) | undefined;

  const upload = async ({ file, task, lease }: Upload, mine: number): Promise<SentBlob | undefined> => {
    const { size } = await stat(file);
    const blob = await hashOf(file);
    const answer = new Promise<string | undefined>((resolve) => {
      answered = resolve;
    });
    let offset = 0;
    for await (const chunk of createReadStream(file, { highWaterMark: BLOB_CHUNK_BYTES })) {
      while (sink.backlog() > MAX_BACKLOG && mine === round) await wait(BACKLOG_WAIT_MS);
      if (mine !== round) return undefined;
      const bytes = chunk as Buffer;
      const end = offset + bytes.length === size;
      sink.send({ kind: "blob-chunk", blob, task, lease, size, offset, end }, [bytes]);
      offset += bytes.length;
    }
    if (offset < size) throw new Error("it was cut short while it was sent");
    const error = await answer;
    if (mine !== round) return undefined;
    return error === undefined ? { blob, size } : { error };
  };

  const next = async () => {
    const mine = ++round;
    const first = queue[0];
    if (!first) return;
    const sent = await upload(first, mine).catch((error: Error) => {
      if (!isExhausted(error)) return { error: error.message };
      setTimeout(() => mine === round && void next(), EXHAUSTED_RETRY_MS).unref();
      return undefined;
    });
    if (mine !== round || !sent) return;
    queue.shift();
    await rm(first.file, { force: true });
    first.done(sent);
    await next();
  };

  const restart = () => {
    // Of the round before, whose answer counts no more.
    round++;
    answered?.(undefined);
    void next();
  };

  return {
    send(blob, done) {
      queue.push({ ...blob, done });
      if (queue.length === 1) void next();
    },
    taken({ task, lease, error, again }) {
      const first = queue[0];
      if (first?.task !== task || first.lease !== lease) return;
      if (again) restart();
      else answered?.(error);
    },
    again: restart,
    pending: () => queue.length,
  };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: BLOB_CHUNK_BYTES })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
