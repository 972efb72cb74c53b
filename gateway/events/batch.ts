/** One publish as one message, encoded at most once for each form however many streams take it. */
import type { TaskEvent } from "../../protocol/events.ts";
import { encodeFrameText } from "../../protocol/frame.ts";
import type { StoredEvent } from "../store/port.ts";

/** Frames for the SDK, Server-Sent Events for browsers and curl; with or without inline results. */
export type EventForm = "frames" | "frames-no-results" | "sse" | "sse-no-results";

/** A chunk of a stream, and the sequence number of the last event in it. */
export type EncodedMessage = { last: number; bytes: Uint8Array };

/** Events that were published together. */
export type EventBatch = {
  /** The messages in this form. */
  encoded(form: EventForm): readonly EncodedMessage[];
};

/** A message carries no more payload bytes than this, so that one batch never fills a stream's buffer on its own. */
const MESSAGE_BYTES = 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const NO_BYTES = new Uint8Array(0);

/** Makes a batch of events in commit order; `showGroup` when the reader asked for more than one group. */
export function createBatch(generation: string, events: readonly StoredEvent[], showGroup: boolean): EventBatch {
  const cache = new Map<EventForm, EncodedMessage[]>();
  const encode = (form: EventForm) => {
    const messages: EncodedMessage[] = [];
    for (const part of split(events)) {
      const last = (part.at(-1) as StoredEvent).sequence;
      const write = form.startsWith("frames") ? asFrame : asSse;
      messages.push({ last, bytes: write(part, `${generation}.${last}`, form, showGroup) });
    }
    return messages;
  };
  return {
    encoded(form) {
      const messages = cache.get(form) ?? encode(form);
      cache.set(form, messages);
      return messages;
    },
  };
}

/** A message without tasks, in the stream's form. */
export function encodeSignal(kind: "hello" | "reset" | "beat", id: string, form: EventForm): Uint8Array {
  const text = `{"kind":"${kind}","id":"${id}"}`;
  return form.startsWith("frames")
    ? encodeFrameText(text)
    : encoder.encode(`id: ${id}\nevent: ${kind}\ndata: ${text}\n\n`);
}

function* split(events: readonly StoredEvent[]): Generator<readonly StoredEvent[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < events.length; i++) {
    const size = events[i]?.bytes?.length ?? 0;
    if (bytes + size > MESSAGE_BYTES && i > from) {
      yield events.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield from === 0 ? events : events.slice(from);
}

function asFrame(events: readonly StoredEvent[], id: string, form: EventForm, showGroup: boolean): Uint8Array {
  const chunks: Uint8Array[] = [];
  const withBytes = form === "frames";
  let text = `{"kind":"tasks","id":"${id}","tasks":[`;
  for (let i = 0; i < events.length; i++) {
    const event = events[i] as StoredEvent;
    const bytes = withBytes ? event.bytes : undefined;
    if (bytes !== undefined && bytes.length > 0) chunks.push(bytes);
    if (i > 0) text += ",";
    // Written by hand where every field is known to need no escaping: this line runs for each task there is.
    text += isPlain(event, showGroup) ? plainText(event, bytes) : JSON.stringify(toTaskEvent(event, bytes, showGroup));
  }
  return encodeFrameText(`${text}]}`, chunks);
}

function isPlain(event: StoredEvent, showGroup: boolean): boolean {
  return (
    event.failure === null && event.attempts === null && event.blob === null && !(showGroup && event.group !== null)
  );
}

function plainText(event: StoredEvent, bytes: Uint8Array | undefined): string {
  let text = `{"id":"${event.id}","state":"${event.state}"`;
  if (event.attempt > 1) text += `,"attempt":${event.attempt}`;
  if (event.ranMs !== null) text += `,"ranMs":${event.ranMs}`;
  if (event.encoding !== null) {
    text +=
      bytes === undefined
        ? `,"encoding":"${event.encoding}","size":${event.size},"omitted":true`
        : `,"encoding":"${event.encoding}","length":${bytes.length}`;
  }
  return `${text}}`;
}

function toTaskEvent(event: StoredEvent, bytes: Uint8Array | undefined, showGroup: boolean): TaskEvent {
  return {
    id: event.id,
    state: event.state,
    attempt: event.attempt,
    ...(showGroup && event.group !== null ? { group: event.group } : {}),
    ...(event.ranMs !== null ? { ranMs: event.ranMs } : {}),
    ...(event.failure ? { failure: event.failure, endpoint: event.endpoint } : {}),
    ...(event.attempts ? { attempts: event.attempts, endpoint: event.endpoint } : {}),
    ...payloadOf(event, bytes),
  };
}

function payloadOf(event: StoredEvent, bytes: Uint8Array | undefined): Partial<TaskEvent> {
  if (event.encoding === null) return {};
  const { encoding } = event;
  if (event.blob !== null) return { encoding, blob: event.blob, size: event.size ?? 0 };
  return bytes === undefined ? { encoding, size: event.size ?? 0, omitted: true } : { encoding, length: bytes.length };
}

function asSse(events: readonly StoredEvent[], id: string, form: EventForm, showGroup: boolean): Uint8Array {
  const tasks = events.map((event) => {
    const bytes = form === "sse" ? event.bytes : undefined;
    const { length: _, ...shown } = toTaskEvent(event, bytes, showGroup);
    const text = JSON.stringify(shown);
    return bytes === undefined ? text : `${text.slice(0, -1)},${valueText(event, bytes)}}`;
  });
  return encoder.encode(
    `id: ${id}\nevent: tasks\ndata: {"kind":"tasks","id":"${id}","tasks":[${tasks.join(",")}]}\n\n`,
  );
}

function valueText(event: StoredEvent, bytes: Uint8Array = NO_BYTES): string {
  return event.encoding === "json" ? (jsonValueText(bytes) ?? base64Text(bytes)) : base64Text(bytes);
}

function base64Text(bytes: Uint8Array): string {
  return `"base64":"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")}"`;
}

/** `"value":<the JSON text itself>`, checked to be JSON and put on one line; undefined when it is not JSON. */
export function jsonValueText(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    JSON.parse(text);
    // A raw line break in valid JSON can only be white space between tokens.
    return `"value":${text.replace(/[\r\n]+/g, " ")}`;
  } catch {
    return undefined;
  }
}
