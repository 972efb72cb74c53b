/**
 * The output of a task as an event stream, until the task ends: live chunks while it runs (PROTOCOL.md rule 16), then what
 * the result brought. Events: hello { task, state }, output { stream, offset, text or base64 }, beat {}, end { state }.
 */
import { isTerminal, type TaskView } from "../../protocol/task.ts";
import { type ByteStream, createByteStream } from "../events/byte-stream.ts";
import type { Gateway } from "../gateway.ts";
import { loop } from "../loops.ts";

type Parts = Pick<Gateway, "store" | "dispatcher" | "hub" | "log">;
type StreamName = "stdout" | "stderr";
/** Which output, and until when. */
export type FollowOptions = {
  stream: StreamName | "both";
  /** base64 carries every byte; text is for people */
  encoding: "text" | "base64";
  signal: AbortSignal;
  breakConnection?: () => void;
};

/** Keeps proxies from taking a quiet stream for a dead one. */
const BEAT_MS = 15_000;
const MAX_BUFFERED_BYTES = 1024 * 1024;
const encoder = new TextEncoder();

/** Opens the stream. */
export function followLog(parts: Parts, view: TaskView, options: FollowOptions): ByteStream {
  const bytes = createByteStream(MAX_BUFFERED_BYTES, options.breakConnection);
  const end = () => bytes.end();
  options.signal.addEventListener("abort", end, { once: true });
  bytes.closed.addEventListener("abort", () => options.signal.removeEventListener("abort", end), { once: true });
  if (options.signal.aborted) end();
  follow(parts, view, { bytes, stream: options.stream, encoding: options.encoding }).catch((err) => {
    parts.log.warn({ err, task: view.id }, "following a task's output failed");
    bytes.cut();
  });
  const beat = () => {
    bytes.write(event("beat", {}));
    return false;
  };
  void loop("log beat", beat, { everyMs: BEAT_MS, signal: bytes.closed, log: parts.log });
  return bytes;
}

async function follow(
  { store, dispatcher, hub }: Parts,
  view: TaskView,
  { bytes, stream, encoding }: Pick<FollowOptions, "stream" | "encoding"> & { bytes: ByteStream },
): Promise<void> {
  const shown = { stdout: 0, stderr: 0 };
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const write = (name: StreamName, offset: number, chunk: Uint8Array) => {
    // What was shown already comes again in the result's tail, and in a chunk that was sent twice.
    const fresh = chunk.subarray(Math.max(0, shown[name] - offset));
    if (fresh.length === 0 || (stream !== "both" && stream !== name)) return;
    shown[name] = offset + chunk.length;
    const at = { stream: name, offset: shown[name] - fresh.length };
    const sent =
      encoding === "base64"
        ? { ...at, base64: Buffer.from(fresh.buffer, fresh.byteOffset, fresh.length).toString("base64") }
        : { ...at, text: decoders[name].decode(fresh, { stream: true }) };
    if (!bytes.write(event("output", sent))) bytes.cut();
  };
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const stopWaiting = hub.onEnd(view.id, resolve);
  bytes.closed.addEventListener("abort", () => resolve(), { once: true });
  bytes.write(event("hello", { task: view.id, state: view.state }));
  try {
    let now = await store.getTask(view.id, view.owner);
    if (now && !isTerminal(now.state)) {
      const watching = new AbortController();
      dispatcher.watchLog(view.endpoint, view.id, {
        signal: watching.signal,
        onChunk: (chunk, data) => write(chunk.stream, chunk.offset, data),
      });
      await over;
      watching.abort();
      now = await store.getTask(view.id, view.owner);
    }
    const output = await store.outputOf(view.id);
    if (output) {
      write("stdout", output.stdoutTotal - output.stdout.length, output.stdout);
      write("stderr", output.stderrTotal - output.stderr.length, output.stderr);
    }
    bytes.write(event("end", { state: now?.state ?? view.state }));
    bytes.end();
  } finally {
    stopWaiting();
  }
}

function event(name: string, data: Record<string, unknown>): Uint8Array {
  return encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
