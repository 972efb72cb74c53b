/** The gateway's side of a report: turns it into columns, and the reply's columns into events. */
import type { ResultEntry, StartEntry } from "../../../../protocol/batch.ts";
import { isLarge } from "../../../../protocol/large-buffers.ts";
import type { ReportInput, ReportOutput, StoredEvent } from "../../port.ts";
import {
  ABSENT,
  NOT_STARTED,
  OUTCOME_CODES,
  type ReportMessage,
  type ReportReply,
  type ResultColumns,
  type ResultExtra,
  STARTED,
  type StartColumns,
} from "../messages.ts";
import { encodingCode } from "../states.ts";
import { poppedHandout, type SpecCache } from "./popped.ts";

/** Writes the message, whose body is to be moved to the writer's thread. */
export function reportMessage({ endpoint, epoch, results, starts, body, pulls }: ReportInput): ReportMessage {
  return {
    endpoint,
    epoch,
    results: resultColumns(results),
    starts: startColumns(starts),
    body: isLarge(body) ? body : new Uint8Array(body),
    pulls,
  };
}

function resultColumns(results: readonly ResultEntry[]): ResultColumns {
  const n = results.length;
  const names = createNames();
  const columns: ResultColumns = {
    ids: new Array<string>(n),
    leases: new Array<number>(n),
    outcomes: new Uint8Array(n),
    lengths: new Uint32Array(n * 3),
    encodings: new Uint8Array(n),
    ranMs: new Float64Array(n),
    places: new Uint16Array(n * 2),
    names: names.list,
    extras: null,
  };
  for (let i = 0; i < n; i++) {
    const entry = results[i] as ResultEntry;
    columns.ids[i] = entry.id;
    columns.leases[i] = entry.lease;
    const started = entry.started === undefined ? 0 : entry.started ? STARTED : NOT_STARTED;
    columns.outcomes[i] = OUTCOME_CODES[entry.outcome] + started;
    columns.lengths[i * 3] = entry.blob === undefined ? (entry.length ?? 0) : 0;
    columns.lengths[i * 3 + 1] = entry.stdout ?? 0;
    columns.lengths[i * 3 + 2] = entry.stderr ?? 0;
    columns.encodings[i] = hasResult(entry) ? encodingCode(entry.encoding) : ABSENT;
    columns.ranMs[i] = entry.ranMs ?? Number.NaN;
    columns.places[i * 2] = names.at(entry.block);
    columns.places[i * 2 + 1] = names.at(entry.worker);
    const extra = extraOf(entry);
    if (extra) {
      columns.extras ??= new Map();
      columns.extras.set(i, extra);
    }
  }
  return columns;
}

/** Whether the entry brings a result: one of no bytes is one only when the function returned. */
function hasResult({ blob, length, outcome }: ResultEntry): boolean {
  return blob !== undefined || (length !== undefined && (length > 0 || outcome === "succeeded"));
}

function extraOf(entry: ResultEntry): ResultExtra | undefined {
  const { failure, blob, size, stdoutTotal, stderrTotal } = entry;
  if (failure === undefined && blob === undefined && stdoutTotal === undefined && stderrTotal === undefined)
    return undefined;
  return {
    ...(failure ? { failure } : {}),
    ...(blob !== undefined ? { blob: { hash: blob, size: size ?? 0 } } : {}),
    ...(stdoutTotal !== undefined ? { stdoutTotal } : {}),
    ...(stderrTotal !== undefined ? { stderrTotal } : {}),
  };
}

function startColumns(starts: readonly StartEntry[]): StartColumns {
  const names = createNames();
  const places = new Uint16Array(starts.length * 2);
  for (const [i, { block, worker }] of starts.entries()) {
    places[i * 2] = names.at(block);
    places[i * 2 + 1] = names.at(worker);
  }
  return { ids: starts.map(({ id }) => id), leases: starts.map(({ lease }) => lease), places, names: names.list };
}

/** Names by position; 0 is no name. */
function createNames() {
  const list = [""];
  const positions = new Map<string, number>();
  return {
    list,
    at(name: string | undefined): number {
      if (name === undefined) return 0;
      let position = positions.get(name);
      if (position === undefined) {
        position = list.push(name) - 1;
        positions.set(name, position);
      }
      return position;
    },
  };
}

/** Builds the answer; the events of inline results carry views on the report's own body. */
export function reportOutput(input: ReportInput, reply: ReportReply, cache: SpecCache): ReportOutput {
  return {
    superseded: reply.superseded,
    refusedStarts: reply.refusedStarts,
    handouts: reply.popped.map((popped) => poppedHandout(popped, cache)),
    events: reportEvents(input, reply),
    kills: [],
    queued: reply.queued,
  };
}

function reportEvents({ results, body: sent, endpoint }: ReportInput, reply: ReportReply): StoredEvent[] {
  const { events } = reply;
  const body = reply.body ?? sent;
  const others = events.length;
  const byResult = new Map<number, StoredEvent>();
  for (let i = 0; i < others; i++) byResult.set(reply.resultOf[i] as number, events[i] as StoredEvent);
  let offset = 0;
  for (let i = 0; i < results.length; i++) {
    const entry = results[i] as ResultEntry;
    const length = entry.blob === undefined ? (entry.length ?? 0) : 0;
    const sequence = reply.sequences[i] as number;
    let event: StoredEvent | undefined;
    if (sequence > 0) {
      event = successEvent(entry, { sequence, attempt: reply.attempts[i] as number, endpoint });
      const audience = reply.audiences[reply.audienceOf[i] as number] as ReportReply["audiences"][number];
      event.owner = audience.owner;
      event.group = audience.group;
      events.push(event);
    } else if (others > 0) event = byResult.get(i);
    if (event && event.encoding !== null && event.blob === null) event.bytes = body.subarray(offset, offset + length);
    offset += length + (entry.stdout ?? 0) + (entry.stderr ?? 0);
  }
  return others === 0 ? events : events.sort((a, b) => a.sequence - b.sequence);
}

function successEvent(
  entry: ResultEntry,
  { sequence, attempt, endpoint }: { sequence: number; attempt: number; endpoint: string },
): StoredEvent {
  const some = hasResult(entry);
  return {
    sequence,
    id: entry.id,
    owner: "",
    group: null,
    state: "succeeded",
    attempt,
    failure: null,
    ranMs: entry.ranMs ?? null,
    endpoint,
    attempts: null,
    encoding: some ? (entry.encoding ?? "json") : null,
    size: some ? (entry.blob === undefined ? (entry.length ?? 0) : (entry.size ?? 0)) : null,
    blob: entry.blob ?? null,
  };
}
