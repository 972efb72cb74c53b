/** Reads an event stream as the SDK does, in frames, or as a browser does, line by line. */

import type { EventMessage, TaskEvent } from "../../../protocol/events.ts";
import { createFrameReader, FRAME_MEDIA_TYPE } from "../../../protocol/frame.ts";
import type { TestClient } from "./gateway.ts";

/** An event, with its payload as text. */
export type SeenTask = TaskEvent & { text?: string };
/** An open stream and what came of it. */
export type EventReader = {
  messages: EventMessage[];
  tasks: SeenTask[];
  /** the id to resume from */
  last(): string;
  /** Resolves when the stream is over; false when it was cut. */
  over: Promise<boolean>;
  close(): void;
};

/** What to read, and from where. */
export type ReadOptions = {
  query?: string;
  after?: string;
  token?: string;
  onMessage?: (message: EventMessage) => Promise<void>;
};

/** Opens the frame stream and collects what comes. */
export async function readEvents(gateway: TestClient, options: ReadOptions = {}): Promise<EventReader> {
  const abort = new AbortController();
  const answer = await gateway.request("GET", `/v1/events${options.query ?? ""}`, {
    headers: {
      accept: FRAME_MEDIA_TYPE,
      ...(options.after === undefined ? {} : { "last-event-id": options.after }),
    },
    signal: abort.signal,
    ...(options.token === undefined ? {} : { token: options.token }),
  });
  const messages: EventMessage[] = [];
  const tasks: SeenTask[] = [];
  const frames = createFrameReader(64 * 1024 * 1024);
  const run = async () => {
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      for (const { header, body } of frames.push(chunk)) {
        const message = header as EventMessage;
        messages.push(message);
        if (message.kind === "tasks") tasks.push(...withTexts(message.tasks, body));
        await options.onMessage?.(message);
      }
    }
    return true;
  };
  return {
    messages,
    tasks,
    last: () => messages.at(-1)?.id as string,
    over: run().catch(() => false),
    close: () => abort.abort(),
  };
}

function withTexts(tasks: TaskEvent[], body: Uint8Array): SeenTask[] {
  let offset = 0;
  return tasks.map((task) => {
    if (task.length === undefined) return task;
    const text = new TextDecoder().decode(body.subarray(offset, offset + task.length));
    offset += task.length;
    return { ...task, text };
  });
}

/** Waits until the condition holds; fails after `deadlineMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
