/**
 * The event streams of this gateway. A stream says hello, catches up from the store's table, goes over to what the hub
 * publishes without a gap or a duplicate, and back to the table when its reader falls behind. A reader that does not keep
 * up with the table either is cut off; it resumes by id (FAULTS.md N6).
 */

import type { Logger } from "pino";
import { loop } from "../loops.ts";
import type { Store } from "../store/port.ts";
import { createBatch, type EventForm, encodeSignal } from "./batch.ts";
import { type ByteStream, createByteStream } from "./byte-stream.ts";
import type { EventFilter, Hub } from "./hub.ts";

/** What a reader asked for. */
export type EventStreamOptions = {
  filter: EventFilter;
  form: EventForm;
  /** the id to resume from */
  after: string | undefined;
  /** ends the stream: a revoked token, for one */
  signal: AbortSignal;
  breakConnection?: () => void;
};

/** The open event streams. */
export type EventStreams = {
  /** Opens a stream; `closed` is aborted when it is over. */
  open(options: EventStreamOptions): ByteStream;
  count(): number;
  /** Sends the heartbeats until the signal ends it, then ends every stream. */
  run(signal: AbortSignal): Promise<void>;
};

/** What event streams need. */
export type EventStreamsOptions = {
  hub: Hub;
  store: Pick<Store, "eventsAfter" | "generation">;
  log: Logger;
  maxBufferedBytes?: number;
  beatMs?: number;
  /** how long a reader may take for half a buffer before it is cut off */
  slowMs?: number;
};

type Stream = { bytes: ByteStream; form: EventForm; live: boolean };

const FIRST_PAGE = 64;
const LARGEST_PAGE = 2000;
const PAGE_BYTES = 1024 * 1024;

/** Makes the event streams of one gateway. */
export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const { hub, store, log } = options;
  const maxBufferedBytes = options.maxBufferedBytes ?? 8 * 1024 * 1024;
  const slowMs = options.slowMs ?? 10_000;
  const streams = new Set<Stream>();
  const idOf = (sequence: number) => `${store.generation}.${sequence}`;

  async function follow(stream: Stream, filter: EventFilter, after: string | undefined): Promise<void> {
    const { bytes, form } = stream;
    const resume = after === undefined ? hub.position() : await resumePoint(filter, after);
    bytes.write(encodeSignal("hello", idOf(resume ?? hub.position()), form));
    if (resume === undefined) bytes.write(encodeSignal("reset", idOf(hub.position()), form));
    let cursor = resume ?? hub.position();
    while (!bytes.closed.aborted) {
      const reached = cursor < hub.position() ? await catchUp(stream, filter, cursor) : cursor;
      if (reached === undefined) return bytes.cut();
      cursor = reached;
      // Asked again after the await: between this look and subscribing nothing can be published, so nothing is missed.
      if (cursor >= hub.position()) cursor = await goLive(stream, filter, cursor);
    }
  }

  /** The sequence number to go on from; undefined when it is not known any more, so that the reader must start anew. */
  async function resumePoint(filter: EventFilter, after: string): Promise<number | undefined> {
    const dot = after.lastIndexOf(".");
    const sequence = Number(after.slice(dot + 1));
    if (after.slice(0, dot) !== store.generation || !Number.isSafeInteger(sequence) || sequence < 0) return undefined;
    const page = await store.eventsAfter(forStore(filter), sequence, 1);
    return sequence > Math.max(page.last, hub.position()) || sequence < page.oldest - 1 ? undefined : sequence;
  }

  /** Writes from the table until the hub's position is reached; undefined when the reader is too slow or has gone. */
  async function catchUp({ bytes, form }: Stream, filter: EventFilter, cursor: number): Promise<number | undefined> {
    let limit = FIRST_PAGE;
    while (cursor < hub.position()) {
      if (!(await bytes.drained(slowMs))) return undefined;
      const page = await store.eventsAfter(forStore(filter), cursor, limit);
      let written = 0;
      if (page.events.length > 0) {
        const batch = createBatch(store.generation, page.events, filter.groups?.length !== 1);
        for (const message of batch.encoded(form)) {
          const room = message.bytes.length;
          while (!bytes.write(message.bytes)) if (!(await bytes.drained(slowMs, room))) return undefined;
          written += message.bytes.length;
        }
      }
      cursor = Math.max(cursor, page.scannedTo);
      limit = written < PAGE_BYTES ? Math.min(limit * 2, LARGEST_PAGE) : Math.max(FIRST_PAGE, limit >> 1);
    }
    return cursor;
  }

  /** Passes on what the hub publishes; resolves to the last sequence written when the buffer is full or the stream over. */
  function goLive(stream: Stream, filter: EventFilter, cursor: number): Promise<number> {
    const { bytes, form } = stream;
    return new Promise((resolve) => {
      const leave = () => {
        unsubscribe();
        bytes.closed.removeEventListener("abort", leave);
        stream.live = false;
        resolve(cursor);
      };
      const unsubscribe = hub.subscribe(filter, (batch) => {
        for (const message of batch.encoded(form)) {
          if (!bytes.write(message.bytes)) return leave();
          cursor = message.last;
        }
      });
      stream.live = true;
      if (bytes.closed.aborted) leave();
      else bytes.closed.addEventListener("abort", leave, { once: true });
    });
  }

  return {
    count: () => streams.size,
    open({ filter, form, after, signal, breakConnection }) {
      const bytes = createByteStream(maxBufferedBytes, breakConnection);
      const stream: Stream = { bytes, form, live: false };
      const end = () => bytes.end();
      streams.add(stream);
      signal.addEventListener("abort", end, { once: true });
      bytes.closed.addEventListener(
        "abort",
        () => {
          streams.delete(stream);
          signal.removeEventListener("abort", end);
        },
        { once: true },
      );
      if (signal.aborted) end();
      follow(stream, filter, after).catch((err) => {
        log.warn({ err }, "an event stream failed; its reader will resume");
        bytes.cut();
      });
      return bytes;
    },
    async run(signal) {
      const beat = () => {
        for (const { bytes, form, live } of streams) {
          if (live) bytes.write(encodeSignal("beat", idOf(hub.position()), form));
        }
        return undefined;
      };
      await loop("event heartbeats", beat, { everyMs: options.beatMs ?? 15_000, signal, log });
      for (const { bytes } of streams) bytes.end();
    },
  };
}

function forStore(filter: EventFilter): { owner: string; groups: string[] | null } {
  return { owner: filter.owner, groups: filter.groups && [...filter.groups] };
}
