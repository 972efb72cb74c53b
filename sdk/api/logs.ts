/** A task's output: its tails, or live as an event stream of the server-sent kind. */
import type { ResponseOf } from "../../protocol/operations.ts";
import type { HttpClient } from "../http/client.ts";

/**
 * The tails of a task's output, and how much there was in all.
 *
 * @example
 * const { stdout, truncated }: TaskLogs = await farcall.tasks.logs(id);
 */
export type TaskLogs = ResponseOf<"taskLogs">;

/**
 * A piece of live output.
 *
 * @example
 * for await (const { stream, text } of task.follow()) if (stream === "stderr") console.error(text);
 */
export type LogChunk = { stream: "stdout" | "stderr"; offset: number; text: string };

export type SseEvent = { event: string; data: string };

/** The output as it is written, until the task ends or the loop is left. A broken connection is opened again. */
export async function* followLogs(http: HttpClient, id: string, signal?: AbortSignal): AsyncGenerator<LogChunk> {
  const shown = { stdout: 0, stderr: 0 };
  for (;;) {
    const stop = new AbortController();
    try {
      const answer = await http.send("taskLogs", {
        params: { task: id },
        query: { follow: "true" },
        headers: { accept: "text/event-stream" },
        signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      });
      for await (const { event, data } of readSse(answer.chunks())) {
        if (event === "end") return;
        const chunk = JSON.parse(data) as LogChunk;
        // What was shown before a break comes again after it.
        if (event !== "output" || chunk.offset < shown[chunk.stream]) continue;
        shown[chunk.stream] = chunk.offset + 1;
        yield chunk;
      }
    } catch (error) {
      if (signal?.aborted || !isBreak(error)) throw error;
    } finally {
      stop.abort();
    }
  }
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
