/** A task's output: its tails, or live as an event stream of the server-sent kind. */
import type { ResponseOf } from "../../protocol/operations.ts";
import type { HttpClient } from "../http/client.ts";
import { bytesOfBase64 } from "./base64.ts";

/**
 * The tails of a task's output, and how much there was in all.
 *
 * @example
 * const { stdout, truncated }: TaskLogs = await farcall.tasks.logs(id);
 */
export type TaskLogs = ResponseOf<"taskLogs">;

/**
 * A piece of live output: its bytes, and the text that they make together with those before. `offset` counts the stream's
 * bytes; where it is more than came so far, something in between was not kept.
 *
 * @example
 * for await (const { stream, text } of task.follow()) if (stream === "stderr") console.error(text);
 */
export type LogChunk = { stream: "stdout" | "stderr"; offset: number; text: string; bytes: Uint8Array };

export type SseEvent = { event: string; data: string };

/** The output as it is written, until the task ends or the loop is left. A broken connection is opened again. */
export async function* followLogs(http: HttpClient, id: string, signal?: AbortSignal): AsyncGenerator<LogChunk> {
  const take = createChunks();
  for (;;) {
    const stop = new AbortController();
    try {
      const answer = await http.send("taskLogs", {
        params: { task: id },
        query: { follow: "true", encoding: "base64" },
        headers: { accept: "text/event-stream" },
        signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      });
      for await (const { event, data } of readSse(answer.chunks())) {
        if (event === "end") return;
        const chunk = event === "output" ? take(JSON.parse(data) as SentChunk) : undefined;
        if (chunk) yield chunk;
      }
    } catch (error) {
      if (signal?.aborted || !isBreak(error)) throw error;
    } finally {
      stop.abort();
    }
  }
}

type SentChunk = Pick<LogChunk, "stream" | "offset"> & { text?: string; base64?: string };

/** Makes chunks of what is sent; what was given out before a break comes again after it, and is passed over. */
function createChunks(): (sent: SentChunk) => LogChunk | undefined {
  const decoder = () => new TextDecoder("utf-8", { ignoreBOM: true });
  const shown = { stdout: 0, stderr: 0 };
  const decoders = { stdout: decoder(), stderr: decoder() };
  return ({ stream, offset, text, base64 }) => {
    const all = base64 === undefined ? new TextEncoder().encode(text) : bytesOfBase64(base64);
    const bytes = all.subarray(Math.max(0, shown[stream] - offset));
    if (bytes.length === 0) return undefined;
    const at = offset + all.length - bytes.length;
    // Half a character before a gap is completed by nothing.
    if (at > shown[stream]) decoders[stream] = decoder();
    shown[stream] = at + bytes.length;
    return { stream, offset: at, text: decoders[stream].decode(bytes, { stream: true }), bytes };
  };
}

/** Cuts a byte stream into server-sent events. */
export async function* readSse(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) yield parseBlock(block);
  }
}

function parseBlock(block: string): SseEvent {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === "event") event = value as string;
    if (field === "data") data.push(value as string);
  }
  return { event, data: data.join("\n") };
}

/** Whether the connection broke, as opposed to a refusal by the gateway, which is final. */
function isBreak(error: unknown): boolean {
  return !(error instanceof Error && error.name === "ApiError");
}
