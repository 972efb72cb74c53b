/** The events of the small gateway, kept in order, and the streams that read them. */
import type { ServerResponse } from "node:http";
import type { EventMessage, TaskEvent } from "../../../protocol/events.ts";
import { encodeFrame } from "../../../protocol/frame.ts";

type Stored = { sequence: number; group: string; event: TaskEvent; bytes: Uint8Array | undefined };
type Stream = { response: ServerResponse; groups: string[] };

export type EventLog = {
  append(group: string, event: TaskEvent, bytes?: Uint8Array): void;
  open(response: ServerResponse, options: { groups: string[]; after: string | undefined }): void;
  /** Breaks every stream. */
  cut(): void;
  /** Forgets what was, as after a restore from a backup: whoever resumes is told to list again. */
  forget(): void;
  /** Deletes the events up to now, as retention does. */
  expire(): void;
  beat(): void;
  /** Writes bytes as they are into every stream. */
  write(bytes: Uint8Array): void;
  readonly streams: number;
  readonly generation: string;
  /** the positions that streams asked to resume from */
  readonly resumed: (string | undefined)[];
};

/** Makes an empty log. */
export function createEventLog(): EventLog {
  let generation = 1;
  let stored: Stored[] = [];
  let sequence = 0;
  let kept = 0;
  const streams = new Set<Stream>();
  const resumed: (string | undefined)[] = [];
  const idOf = (position: number) => `g${generation}.${position}`;
  const write = (stream: Stream, message: EventMessage, bytes: Uint8Array[] = []) =>
    stream.response.write(encodeFrame(message, bytes));

  function send(stream: Stream, { sequence, group, event, bytes }: Stored): void {
    if (stream.groups.length > 0 && !stream.groups.includes(group)) return;
    const task = bytes ? { ...event, length: bytes.length } : event;
    write(stream, { kind: "tasks", id: idOf(sequence), tasks: [task] }, bytes ? [bytes] : []);
  }

  return {
    resumed,
    get generation() {
      return `g${generation}`;
    },
    get streams() {
      return streams.size;
    },
    append(group, event, bytes) {
      const entry = { sequence: ++sequence, group, event, bytes };
      stored.push(entry);
      for (const stream of streams) send(stream, entry);
    },
    open(response, { groups, after }) {
      resumed.push(after);
      const stream = { response, groups };
      response.writeHead(200, { "content-type": "application/vnd.farcall.frames" });
      response.on("close", () => streams.delete(stream));
      const [from, position] = after?.split(".") ?? [`g${generation}`, String(sequence)];
      const known = from === `g${generation}` && Number(position) >= kept;
      write(stream, { kind: "hello", id: known ? `${from}.${position}` : idOf(sequence) });
      if (!known) write(stream, { kind: "reset", id: idOf(sequence) });
      else for (const entry of stored) if (entry.sequence > Number(position)) send(stream, entry);
      streams.add(stream);
    },
    cut() {
      for (const { response } of streams) response.destroy();
      streams.clear();
    },
    expire() {
      stored = [];
      kept = sequence;
    },
    forget() {
      generation++;
      stored = [];
      sequence = 0;
      kept = 0;
    },
    beat() {
      for (const stream of streams) write(stream, { kind: "beat", id: idOf(sequence) });
    },
    write(bytes) {
      for (const { response } of streams) response.write(bytes);
    },
  };
}
