/** The gateway's side of a submit: turns it into columns, and the reply's columns into hand-outs. */
import type { LeaseEntry, LeaseSpec, SubmitEntry } from "../../../../protocol/batch.ts";
import { joinBytes } from "../../../../protocol/frame.ts";
import { isLarge } from "../../../../protocol/large-buffers.ts";
import type { CallSpec } from "../../../../protocol/task.ts";
import type { Handout, SubmitInput, SubmitOutput } from "../../port.ts";
import type { SubmitMessage, SubmitReply } from "../messages.ts";
import { specText } from "../spec-text.ts";
import { encodingCode } from "../states.ts";
import { poppedHandout, type SpecCache } from "./popped.ts";

/** Writes the message, whose body is to be moved to the writer's thread. */
export function submitMessage({ owner, header, body, pulls }: SubmitInput): SubmitMessage {
  const { specs, tasks } = header;
  const n = tasks.length;
  const message: SubmitMessage = {
    owner,
    specs: specs.map(specText),
    ids: new Array<string>(n),
    specOf: specs.length > 1 ? new Uint16Array(n) : null,
    lengths: new Uint32Array(n),
    encodings: null,
    blobs: null,
    retries: null,
    body: isLarge(body) ? body : new Uint8Array(body),
    pulls,
  };
  for (let i = 0; i < n; i++) {
    const task = tasks[i] as SubmitEntry;
    message.ids[i] = task.id;
    if (message.specOf) message.specOf[i] = task.spec ?? 0;
    if (task.encoding !== undefined && task.encoding !== "json") {
      message.encodings ??= new Uint8Array(n);
      message.encodings[i] = encodingCode(task.encoding);
    }
    if (task.blob === undefined) message.lengths[i] = task.length ?? 0;
    else {
      message.blobs ??= [];
      message.blobs.push({ index: i, hash: task.blob, size: task.size ?? 0 });
    }
    if (task.retryOf !== undefined) {
      message.retries ??= [];
      message.retries.push({ index: i, of: task.retryOf });
    }
  }
  return message;
}

/** Builds the answer from what was asked and what the writer replied. */
export function submitOutput(input: SubmitInput, reply: SubmitReply, cache: SpecCache): SubmitOutput {
  const handouts = reply.popped.map((popped) => poppedHandout(popped, cache));
  const offered = { ...input, body: reply.body ?? input.body };
  for (const { pull, at } of reply.direct) handouts.push(directHandout(offered, reply, { pull, at }));
  return { rejected: reply.rejected, handouts, events: reply.events, kills: [], queued: reply.queued };
}

function directHandout(
  { owner, header, body, pulls }: SubmitInput,
  reply: SubmitReply,
  { pull, at }: { pull: number; at: Uint32Array | null },
): Handout {
  const { endpoint, epoch, pull: number } = pulls[pull] as SubmitInput["pulls"][number];
  const specs: LeaseSpec[] = [];
  const classes: string[] = [];
  const specAt = new Map<number, number>();
  const n = at?.length ?? header.tasks.length;
  const tasks = new Array<LeaseEntry>(n);
  for (let i = 0; i < n; i++) {
    const task = header.tasks[at === null ? i : (at[i] as number)] as SubmitEntry;
    const from = task.spec ?? 0;
    let spec = specAt.get(from);
    if (spec === undefined) {
      spec = specs.push({ ...(header.specs[from] as CallSpec), key: reply.specKeys[from] as number, owner }) - 1;
      classes.push(reply.classes[from] as string);
      specAt.set(from, spec);
    }
    const entry: LeaseEntry = { id: task.id, lease: 1, attempt: 0, submittedAt: reply.submittedAt };
    if (spec > 0) entry.spec = spec;
    if (task.encoding !== undefined) entry.encoding = task.encoding;
    if (task.blob === undefined) entry.length = task.length ?? 0;
    else {
      entry.blob = task.blob;
      entry.size = task.size ?? 0;
    }
    tasks[i] = entry;
  }
  return {
    endpoint,
    epoch,
    pull: number,
    specs,
    tasks,
    classes,
    body: at === null ? body : pick(header.tasks, body, at),
  };
}

/** The arguments of the tasks at these positions, in their order. */
function pick(tasks: readonly SubmitEntry[], body: Uint8Array, at: Uint32Array): Uint8Array {
  const offsets = new Float64Array(tasks.length + 1);
  for (let i = 0; i < tasks.length; i++) {
    const { blob, length } = tasks[i] as SubmitEntry;
    offsets[i + 1] = (offsets[i] as number) + (blob === undefined ? (length ?? 0) : 0);
  }
  return joinBytes(Array.from(at, (i) => body.subarray(offsets[i], offsets[i + 1])));
}
