/** Results and starts on their way to the agent: batched, numbered, kept until they are taken (PROTOCOL.md rule 13). */
import type { ResultEntry, StartEntry } from "../../protocol/batch.ts";
import { encodeFrame } from "../../protocol/frame.ts";

const MAX_RESULTS = 1000;
const MAX_BYTES = 1024 * 1024;
/** Under load, results gather this long: a message a result would cost the agent more than the result itself. */
const GATHER_MS = 1;

export type Outbox = {
  result(entry: ResultEntry, chunks: readonly Uint8Array[]): void;
  start(entry: StartEntry): void;
  /** Sends what has gathered. */
  flush(): void;
  /** Sends what has gathered, but gathers a little longer when something was sent just now. */
  flushSoon(): void;
  /** The agent has everything up to this message. */
  taken(message: number): void;
  /** Sends again what was sent and is not taken, in order. */
  resend(): void;
  /** Whether nothing waits to be sent or taken. */
  empty(): boolean;
};

/** `send` is not called while `mayPublish` says no: after the deadline nothing may be published. */
export function createOutbox(send: (frame: Uint8Array) => void, mayPublish: () => boolean): Outbox {
  let results: ResultEntry[] = [];
  let starts: StartEntry[] = [];
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  let message = 0;
  const kept = new Map<number, Uint8Array>();

  let sentAt = 0;
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if ((results.length === 0 && starts.length === 0) || !mayPublish()) return;
    message++;
    const frame = encodeFrame({ kind: "results", message, results, starts }, chunks);
    kept.set(message, frame);
    results = [];
    starts = [];
    chunks = [];
    bytes = 0;
    sentAt = performance.now();
    send(frame);
  };
  return {
    result(entry, parts) {
      results.push(entry);
      for (const part of parts) {
        chunks.push(part);
        bytes += part.length;
      }
      if (results.length >= MAX_RESULTS || bytes >= MAX_BYTES) flush();
    },
    start: (entry) => starts.push(entry),
    flush,
    flushSoon() {
      if (performance.now() - sentAt >= GATHER_MS) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
    taken(upTo) {
      for (const number of kept.keys()) {
        if (number > upTo) break;
        kept.delete(number);
      }
    },
    resend() {
      if (mayPublish()) for (const frame of kept.values()) send(frame);
    },
    empty: () => results.length === 0 && starts.length === 0 && kept.size === 0,
  };
}
