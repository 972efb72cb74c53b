/**
 * What crosses between the gateway's thread and the writer's on the hot path. Columns instead of objects: cloning 512 objects
 * costs 140 us more than cloning their columns, and neither side reads what it already has.
 */
import type { ErrorCode } from "../../../protocol/errors.ts";
import type { TaskFailure } from "../../../protocol/task.ts";
import type { OpenPull, StoredEvent } from "../port.ts";

export type SubmitMessage = {
  owner: string;
  /** canonical texts (spec-text.ts) */
  specs: string[];
  ids: string[];
  /** position in `specs`; null: all 0 */
  specOf: Uint16Array | null;
  /** bytes in the body; 0 for blobs */
  lengths: Uint32Array;
  /** codes of encodings; null: all json */
  encodings: Uint8Array | null;
  blobs: { index: number; hash: string; size: number }[] | null;
  retries: { index: number; of: string }[] | null;
  /** moved to the writer: a large one is the caller's own, which comes back with the reply; a small one is a copy */
  body: Uint8Array;
  pulls: OpenPull[];
};

export type SubmitReply = {
  /** the message's, when it was large and something of it is handed out now */
  body: Uint8Array | null;
  rejected: { index: number; code: ErrorCode; message: string }[];
  /** the keys of the specs, by position; 0: rejected */
  specKeys: number[];
  classes: string[];
  submittedAt: number;
  /** leased in the insert itself: positions in the submit in queue order; null: all, in the order given */
  direct: { pull: number; at: Uint32Array | null }[];
  popped: PoppedMessage[];
  queued: string[];
  events: StoredEvent[];
};

/** Tasks leased out of the queue, by column. */
export type PoppedMessage = {
  endpoint: string;
  epoch: number;
  pull: number;
  specs: { key: number; owner: string; className: string; text: string }[];
  ids: string[];
  specOf: number[];
  leases: number[];
  attempts: number[];
  submittedAt: number[];
  /** forms of states.ts */
  forms: number[];
  sizes: number[];
  /** hashes, where the form says blob */
  blobs: (string | null)[];
  body: Uint8Array;
};

export type ReportMessage = {
  endpoint: string;
  epoch: number;
  results: ResultColumns;
  starts: StartColumns;
  body: Uint8Array;
  pulls: OpenPull[];
};

export type ResultColumns = {
  ids: string[];
  leases: number[];
  /** OUTCOME_CODES, plus 16 when `started` is true and 32 when it is false */
  outcomes: Uint8Array;
  /** bytes of result, stdout tail and stderr tail in the body, three a result */
  lengths: Uint32Array;
  /** codes of encodings; ABSENT: no result */
  encodings: Uint8Array;
  /** milliseconds; NaN: not said */
  ranMs: Float64Array;
  /** positions in `names`, block and worker a result; 0: none */
  places: Uint16Array;
  names: string[];
  /** what few results have */
  extras: Map<number, ResultExtra> | null;
};
export type ResultExtra = {
  failure?: TaskFailure;
  blob?: { hash: string; size: number };
  stdoutTotal?: number;
  stderrTotal?: number;
};
export type StartColumns = { ids: string[]; leases: number[]; places: Uint16Array; names: string[] };

/** The code of the encoding of a result that is not there. */
export const ABSENT = 255;

export const OUTCOME_CODES = { succeeded: 0, failed: 1, returned: 2, lost: 3 } as const;
export const STARTED = 16;
export const NOT_STARTED = 32;

export type ReportReply = {
  /** the message's, when it was large */
  body: Uint8Array | null;
  superseded: number;
  refusedStarts: number[];
  /** by result: the number of the event of its success; 0: it did not succeed */
  sequences: Float64Array;
  attempts: Uint32Array;
  /** position in `audiences` */
  audienceOf: Uint16Array;
  audiences: { owner: string; group: string | null }[];
  /** every other event */
  events: StoredEvent[];
  /** by position in `events`: the result that it came from, -1 for a start */
  resultOf: number[];
  popped: PoppedMessage[];
  queued: string[];
};
