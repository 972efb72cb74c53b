/** The events of one group as a sequence to read at one's own speed: reconnects, and says when it falls quiet. */
import type { EventMessage } from "../protocol/events.ts";
import { createFrameReader, FRAME_MEDIA_TYPE, type Frame, type FrameReader } from "../protocol/frame.ts";
import { ApiError } from "./errors.ts";
import type { HttpClient } from "./http/client.ts";
import { retryDelay, sleep } from "./http/retry.ts";

export type GroupMessage = { message: EventMessage; body: Uint8Array } | "quiet";

export type GroupStreamOptions = {
  group: string;
  /** the event id to start after; undefined: from now on */
  after: string | undefined;
  /** whether events carry results */
  results: boolean;
  signal: AbortSignal | undefined;
  retry: { retryForMs: number; connectForMs: number };
};

const MAX_FRAME_BYTES = 256 * 1024 * 1024;
/** Silence after which "quiet" is said, doubled as long as it lasts. */
const FIRST_QUIET_MS = 20;
const LONGEST_QUIET_MS = 5_000;
/** A gateway beats every 15 s. */
const DEAD_AFTER_MS = 45_000;

/** Reads until the loop is left or the signal aborts. A slow reader slows the stream down, not the memory up. */
export async function* readGroupStream(http: HttpClient, options: GroupStreamOptions): AsyncGenerator<GroupMessage> {
  let position = options.after;
  let tries = 0;
  let brokenAt = performance.now();
  for (;;) {
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    try {
      for await (const item of readOnce(http, { ...options, after: position, signal })) {
        tries = 0;
        if (item !== "quiet") {
          const { message } = item;
          // The position moves on only when the caller has taken the message.
          yield item;
          if (message.kind !== "hello" || position === undefined) position = message.id;
        } else yield item;
      }
      throw new ApiError("UNAVAILABLE", "the gateway ended the event stream");
    } catch (cause) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (tries++ === 0) brokenAt = performance.now();
      const error =
        cause instanceof ApiError ? cause : new ApiError("UNAVAILABLE", `no event stream: ${String(cause)}`);
      const policy = { ...options.retry, reached: position !== undefined, idempotent: true };
      const now = { tries, elapsedMs: performance.now() - brokenAt, random: Math.random() };
      const delay = retryDelay({ error }, policy, now);
      if (delay === undefined) throw cause;
      await sleep(delay, options.signal);
    } finally {
      stop.abort();
    }
  }
}

async function* readOnce(
  http: HttpClient,
  { group, after, results, signal }: GroupStreamOptions & { signal: AbortSignal },
): AsyncGenerator<GroupMessage> {
  const answer = await http.send("events", {
    query: { group: [group], results: results ? "true" : "false" },
    headers: { accept: FRAME_MEDIA_TYPE, ...(after === undefined ? {} : { "last-event-id": after }) },
    retry: false,
    signal,
  });
  const reader = createFrameReader(MAX_FRAME_BYTES);
  const chunks = answer.chunks()[Symbol.asyncIterator]();
  let quietMs = FIRST_QUIET_MS;
  let silentMs = 0;
  let next = chunks.next();
  for (;;) {
    const step = await within(next, quietMs);
    if (step === undefined) {
      silentMs += quietMs;
      if (silentMs > DEAD_AFTER_MS) throw new ApiError("UNAVAILABLE", "the event stream fell silent");
      quietMs = Math.min(quietMs * 2, LONGEST_QUIET_MS);
      yield "quiet";
      continue;
    }
    if (step.done) return;
    silentMs = 0;
    for (const frame of pushed(reader, step.value)) {
      const item = asMessage(frame);
      if (item.message.kind === "tasks") quietMs = FIRST_QUIET_MS;
      yield item;
    }
    next = chunks.next();
  }
}

/** Damage in a stream that was open is mended by opening it anew, unlike a refusal. */
function pushed(reader: FrameReader, chunk: Uint8Array): Frame[] {
  try {
    return reader.push(chunk);
  } catch (cause) {
    throw new Error(`the event stream broke: ${String(cause)}`, { cause });
  }
}

function asMessage({ header, body }: Frame): { message: EventMessage; body: Uint8Array } {
  return { message: header as EventMessage, body };
}

/** The promise's value, or undefined if it takes longer. The promise is not lost: it can be waited for again. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
