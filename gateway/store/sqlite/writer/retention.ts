/**
 * Deletes what is finished and over the retention time, with its events (PROTOCOL.md rules 3 and 24). The event log leads: its
 * rows are in the order of time and name the tasks that ended, so no index on finished tasks is needed.
 */
import { timeOfId } from "../../../../protocol/ids.ts";
import { readEvent } from "../event-records.ts";
import { idFromBytes } from "../ids.ts";
import { FIRST_TERMINAL, PLACE, payloadKey, placeOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Blobs } from "./blobs.ts";

/** A finished task that an unfinished one names is looked at again after this time. */
const NAMED_AGAIN_MS = 3_600_000;

/** Most events are ends of tasks; starts and retries add some. */
const LOOKED_AT_PER_DELETED = 4;

/** Prepares the deletion. */
export function createRetention(base: Base, blobs: Blobs) {
  const { db, counts } = base;
  const oldest = db.prepare("select first, last, at, entries from events order by first limit 1");
  const dropEvents = db.prepare("delete from events where first = ?");
  const row = db.prepare("select id, spec, state, args_form, args, result_form, result from tasks where seq = ?");
  const named = db.prepare("select 1 from tasks indexed by tasks_retried where retry_of = ? and state < 10 limit 1");
  const keep = db.prepare("insert or ignore into kept(due, task) values(?, ?)");
  const due = db.prepare("select due, task from kept where due <= ? order by due limit ?");
  const unkeep = db.prepare("delete from kept where due = ? and task = ?");
  const drops = [
    db.prepare("delete from tasks where seq = ?"),
    db.prepare("delete from outputs where task = ?"),
    db.prepare("delete from attempts where task = ?"),
  ];
  const dropPayload = db.prepare("delete from payloads where key = ?");
  const mark = db.prepare(
    "insert into meta(name, value) values(?, ?) on conflict(name) do update set value = excluded.value",
  );
  const emptySpecs = db.prepare(
    `select spec from counts indexed by counts_empty where
       held + staging + queued + leased + running + waiting + succeeded + failed + cancelled + expired = 0 limit ?`,
  );
  const dropSpec = db.prepare("delete from specs where key = ? returning grp");
  const dropCounts = db.prepare("delete from counts where spec = ?");
  const dropGroup = db.prepare("delete from groups where key = ?1 and not exists(select 1 from specs where grp = ?1)");

  /** Deletes a finished task, or keeps it for later; returns how many tasks were deleted. */
  function drop(seq: number): number {
    const task = row.get(seq) as Row | undefined;
    if (!task || task.state < FIRST_TERMINAL) return 0;
    const idTime = timeOfId(idFromBytes(task.id));
    const { retentionMs } = base.limits;
    if (idTime >= base.now - retentionMs) keep.run(idTime + retentionMs + 1, seq);
    else if (named.get(task.id)) keep.run(base.now + NAMED_AGAIN_MS, seq);
    else {
      for (const statement of drops) statement.run(seq);
      forgetPayload(seq, "arguments", { form: task.args_form, value: task.args });
      forgetPayload(seq, "result", { form: task.result_form, value: task.result });
      counts.remove(task.spec, task.state);
      return 1;
    }
    return 0;
  }

  function forgetPayload(
    seq: number,
    which: "arguments" | "result",
    { form, value }: { form: number | null; value: Uint8Array | null },
  ) {
    if (form === null) return;
    if (placeOf(form) === PLACE.table) dropPayload.run(payloadKey(seq, which));
    if (placeOf(form) === PLACE.blob) blobs.release(Buffer.from(value as Uint8Array).toString("hex"));
  }

  function dropOldEvents(limit: number): number {
    let deleted = 0;
    // What is kept for later is looked at too, so the work is bounded by what is looked at, not only by what is deleted.
    let looked = 0;
    while (deleted < limit && looked < limit * LOOKED_AT_PER_DELETED) {
      const events = oldest.get() as EventRow | undefined;
      if (!events || events.at >= base.now - base.limits.retentionMs) break;
      const { buffer, byteOffset, byteLength } = events.entries;
      const view = new DataView(buffer, byteOffset, byteLength);
      for (let i = 0; i <= events.last - events.first; i++) {
        const { task, state } = readEvent(view, i);
        if (state >= FIRST_TERMINAL) deleted += drop(task);
      }
      looked += events.last - events.first + 1;
      dropEvents.run(events.first);
    }
    return deleted;
  }

  function dropKept(limit: number): number {
    let deleted = 0;
    for (const { due: at, task } of due.all(base.now, limit) as { due: number; task: number }[]) {
      unkeep.run(at, task);
      deleted += drop(task);
    }
    return deleted;
  }

  /** Specs without tasks go, with their groups; their keys are never given again. */
  function dropEmptySpecs(limit: number): void {
    // A submit in the same transaction may have given tasks to a spec that had none.
    counts.flush();
    for (const { spec } of emptySpecs.all(limit) as { spec: number }[]) {
      const { grp } = (dropSpec.get(spec) ?? { grp: null }) as { grp: number | null };
      dropCounts.run(spec);
      if (grp !== null) dropGroup.run(grp);
      base.interning.forgetSpec(spec);
    }
  }

  return {
    retain({ limit }: { limit: number }): { deleted: number } {
      const last = base.events.last();
      const deleted = dropOldEvents(limit) + dropKept(limit);
      dropEmptySpecs(limit);
      // Numbers go on where they were, also when the rows that carried them are gone.
      mark.run("last_event", last);
      mark.run("next_seq", base.nextSeq);
      return { deleted };
    },
  };
}

type Row = {
  id: Uint8Array;
  spec: number;
  state: number;
  args_form: number;
  args: Uint8Array | null;
  result_form: number | null;
  result: Uint8Array | null;
};
type EventRow = { first: number; last: number; at: number; entries: Uint8Array };
