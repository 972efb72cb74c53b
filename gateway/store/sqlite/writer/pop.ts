/** Leases what waits, by priority, then time (PROTOCOL.md rules 4 to 7). */
import { freeLarge } from "../../../../protocol/large-buffers.ts";
import type { OpenPull } from "../../port.ts";
import { idFromBytes } from "../ids.ts";
import type { PoppedMessage } from "../messages.ts";
import { CODE, PLACE, payloadKey, placeOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Endpoint, Queue, Task } from "./model.ts";

export type Popper = (pulls: readonly OpenPull[]) => PoppedMessage[];

/** The endpoint of a pull, while its row still names the pull's epoch and number. */
export function endpointOfPull(base: Base, pull: OpenPull): Endpoint | undefined {
  const endpoint = base.endpoints.byId(pull.endpoint);
  if (!endpoint || endpoint.draining) return undefined;
  return endpoint.epoch === pull.epoch && endpoint.pull === pull.pull ? endpoint : undefined;
}

/** Prepares the statements of a pop. */
export function createPopper(base: Base): Popper {
  const { db } = base;
  const select = db.prepare(
    `select seq, id, spec, lease, attempt, submitted_at, args_form, args_size, args from tasks indexed by tasks_queued
     where queue = ? and state = ${CODE.queued} and expires_at > ? order by seq limit ?`,
  );
  select.setReturnArrays(true);
  // The rows just read are the first of their queue, so one statement takes them all.
  const lease = db.prepare(
    `update tasks indexed by tasks_queued set state = ${CODE.leased}, lease = lease + 1, leased_at = ?
     where queue = ? and state = ${CODE.queued} and expires_at > ? and seq <= ?`,
  );
  const payload = db.prepare("select bytes from payloads where key = ?");

  /** Takes the head of one queue into `batch`; returns whether the room for the class is used up. */
  function take(queue: Queue, batch: Batch, room: { tasks: number; bytes: number }): boolean {
    const rows = select.all(queue.key, base.now, room.tasks) as unknown as Row[];
    let last = 0;
    for (const row of rows) {
      const inline = placeOf(row[6]) === PLACE.blob ? 0 : row[7];
      if (inline > room.bytes) break;
      room.bytes -= inline;
      room.tasks--;
      last = row[0];
      addToBatch(batch, row, argumentsOf(row));
    }
    if (last > 0) lease.run(base.now, queue.key, base.now, last);
    return last !== rows.at(-1)?.[0] || room.tasks === 0;
  }

  function argumentsOf(row: Row): Uint8Array | null {
    if (placeOf(row[6]) !== PLACE.table) return row[8];
    return (payload.get(payloadKey(row[0], "arguments")) as { bytes: Uint8Array }).bytes;
  }

  function addToBatch(batch: Batch, row: Row, args: Uint8Array | null): void {
    const [seq, idBytes, specKey, lease, attempt, submittedAt, form, size] = row;
    const spec = base.interning.specByKey(specKey);
    const { message } = batch;
    const id = idFromBytes(idBytes);
    const task: Task = {
      seq,
      id,
      spec,
      state: CODE.queued,
      lease: lease + 1,
      attempt,
      argsSize: placeOf(form) === PLACE.blob ? 0 : size,
      leasedAt: base.now,
      startedAt: null,
      block: null,
      worker: null,
    };
    base.counts.move(spec, CODE.queued, CODE.leased, 0);
    base.phases.handedOut(base.now - submittedAt);
    task.state = CODE.leased;
    spec.endpoint.leases.set(id, task);
    let at = batch.specs.get(specKey);
    if (at === undefined) {
      at =
        message.specs.push({ key: specKey, owner: spec.owner.name, className: spec.queue.className, text: spec.text }) -
        1;
      batch.specs.set(specKey, at);
    }
    message.ids.push(id);
    message.specOf.push(at);
    message.leases.push(lease + 1);
    message.attempts.push(attempt);
    message.submittedAt.push(submittedAt);
    message.forms.push(form);
    message.sizes.push(size);
    const isBlob = placeOf(form) === PLACE.blob;
    message.blobs.push(isBlob ? Buffer.from(args as Uint8Array).toString("hex") : null);
    if (!isBlob && args !== null) batch.chunks.push(args);
  }

  return (pulls) => {
    const popped: PoppedMessage[] = [];
    for (const pull of pulls) {
      const endpoint = endpointOfPull(base, pull);
      if (!endpoint || endpoint.queues.size === 0) continue;
      const batch = newBatch(pull);
      for (const [className, { tasks, bytes }] of Object.entries(pull.room)) {
        if (tasks <= 0) continue;
        const room = { tasks, bytes };
        // A copy, because a queue that runs empty leaves the list.
        for (const queue of [...(endpoint.queues.get(className) ?? [])]) if (take(queue, batch, room)) break;
      }
      if (batch.message.ids.length === 0) continue;
      batch.message.body = joined(batch.chunks);
      popped.push(batch.message);
    }
    return popped;
  };
}

type Row = [number, Uint8Array, number, number, number, number, number, number, Uint8Array | null];
type Batch = { message: PoppedMessage; specs: Map<number, number>; chunks: Uint8Array[] };

function newBatch({ endpoint, epoch, pull }: OpenPull): Batch {
  const message: PoppedMessage = {
    endpoint,
    epoch,
    pull,
    specs: [],
    ids: [],
    specOf: [],
    leases: [],
    attempts: [],
    submittedAt: [],
    forms: [],
    sizes: [],
    blobs: [],
    body: new Uint8Array(0),
  };
  return { message, specs: new Map(), chunks: [] };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const body = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.length;
    // The database made it for this row.
    freeLarge(chunk);
  }
  return body;
}
