/** How task states and payload forms are written in the database: small integers that never change their meaning. */
import type { Encoding, TaskState } from "../../../protocol/task.ts";

/** The codes of the states. Partial indexes rely on: unfinished is below 10 (schema.ts). */
export const CODE = {
  held: 1,
  staging: 2,
  queued: 3,
  leased: 4,
  running: 5,
  waiting: 6,
  succeeded: 10,
  failed: 11,
  cancelled: 12,
  expired: 13,
} as const satisfies Record<TaskState, number>;

/** The first code of a terminal state. */
export const FIRST_TERMINAL = 10;

const NAMES: TaskState[] = [];
for (const [name, code] of Object.entries(CODE)) NAMES[code] = name as TaskState;

/** The state that a code stands for. */
export function stateOf(code: number): TaskState {
  return NAMES[code] as TaskState;
}

/** Where the bytes of a payload are: in the task's row, in the table `payloads`, or in a blob that the row names. */
export const PLACE = { row: 0, table: 4, blob: 8 } as const;

/** Payloads up to this size are kept in the task's row; larger ones aside, so that an update of the row stays cheap. */
export const ROW_PAYLOAD_BYTES = 1024;

const ENCODINGS: readonly Encoding[] = ["json", "cbor", "raw"];

/** The code of an encoding. */
export function encodingCode(encoding: Encoding | undefined): number {
  return encoding === undefined ? 0 : ENCODINGS.indexOf(encoding);
}

/** The encoding in a form: a form is an encoding's code plus a PLACE. */
export function encodingOf(form: number): Encoding {
  return ENCODINGS[form & 3] as Encoding;
}

/** The place in a form. */
export function placeOf(form: number): number {
  return form & 12;
}

/** The key in `payloads` of a task's arguments or result. */
export function payloadKey(seq: number, which: "arguments" | "result"): number {
  return seq * 2 + (which === "result" ? 1 : 0);
}
