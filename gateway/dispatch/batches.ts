/** Cuts a hand-out into messages that a nats-server takes (PROTOCOL.md rule 4). */
import type { LeaseEntry, LeaseHeader, LeaseSpec, PayloadEntry } from "../../protocol/batch.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { Limits } from "../../protocol/messages.ts";
import type { Handout } from "../store/port.ts";

export const MAX_MESSAGE_BYTES = 512 * 1024;

/** More than the JSON of one task's entry ever takes, beside its blob: an id, and four numbers with their names. */
const ENTRY_BYTES = 180;
const BLOB_BYTES = 100;

/** The part of a hand-out that goes in one message. */
export type Part = Pick<Handout, "specs" | "tasks" | "classes" | "body">;

/** Cuts a hand-out into parts of at most `maxBytes`, or of one task where that alone is larger. Order is kept. */
export function splitHandout(handout: Handout, maxBytes = MAX_MESSAGE_BYTES): Part[] {
  const specBytes = handout.specs.map((spec) => JSON.stringify(spec).length * 3);
  const allSpecs = specBytes.reduce((sum, bytes) => sum + bytes, 0);
  // Nearly always everything fits, and then nothing is counted task by task.
  const most = handout.tasks.length * (ENTRY_BYTES + BLOB_BYTES) + handout.body.length + allSpecs;
  if (most <= maxBytes) return [handout];

  const parts: Part[] = [];
  let from = 0;
  let bodyFrom = 0;
  let bodyTo = 0;
  let size = 0;
  let seen = new Set<number>();
  const cut = (to: number) => {
    parts.push(partOf(handout, handout.tasks.slice(from, to), handout.body.subarray(bodyFrom, bodyTo)));
    from = to;
    bodyFrom = bodyTo;
    size = 0;
    seen = new Set();
  };
  for (const [i, task] of handout.tasks.entries()) {
    const spec = task.spec ?? 0;
    const inline = inlineBytes(task);
    const own = ENTRY_BYTES + (task.blob === undefined ? 0 : BLOB_BYTES) + inline;
    const withSpec = () => own + (seen.has(spec) ? 0 : (specBytes[spec] as number));
    if (i > from && size + withSpec() > maxBytes) cut(i);
    size += withSpec();
    seen.add(spec);
    bodyTo += inline;
  }
  cut(handout.tasks.length);
  return parts;
}

/** The message for a part. */
export function encodeBatch(part: Part, address: Pick<LeaseHeader, "epoch" | "pull" | "batch">): Uint8Array {
  const { epoch, pull, batch } = address;
  const header: LeaseHeader = { kind: "tasks", epoch, pull, batch, specs: part.specs, tasks: part.tasks };
  return encodeFrame(header, [part.body]);
}

/** What a part takes of its pull's room, by resource class. */
export function sizeOf({ tasks, classes, body }: Part): Limits {
  const first = classes[0] as string;
  if (classes.every((resourceClass) => resourceClass === first)) {
    return { [first]: { tasks: tasks.length, bytes: body.length } };
  }
  const size: Limits = {};
  for (const task of tasks) {
    const resourceClass = classes[task.spec ?? 0] as string;
    const { tasks: count, bytes } = size[resourceClass] ?? { tasks: 0, bytes: 0 };
    size[resourceClass] = { tasks: count + 1, bytes: bytes + inlineBytes(task) };
  }
  return size;
}

/** The bytes of the body that are a task's own. */
export function inlineBytes({ blob, length }: PayloadEntry): number {
  return blob === undefined ? (length ?? 0) : 0;
}

/** With just the specs that its tasks name. */
function partOf(handout: Handout, tasks: LeaseEntry[], body: Uint8Array): Part {
  if (handout.specs.length === 1) return { specs: handout.specs, classes: handout.classes, tasks, body };
  const positions = new Map<number, number>();
  const specs: LeaseSpec[] = [];
  const classes: string[] = [];
  const entries = tasks.map(({ spec: from = 0, ...entry }): LeaseEntry => {
    let spec = positions.get(from);
    if (spec === undefined) {
      spec = specs.push(handout.specs[from] as LeaseSpec) - 1;
      classes.push(handout.classes[from] as string);
      positions.set(from, spec);
    }
    return spec === 0 ? entry : { ...entry, spec };
  });
  return { specs, tasks: entries, classes, body };
}
