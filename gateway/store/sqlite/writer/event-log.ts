/** The log of events in commit order (PROTOCOL.md rule 15). Numbers are given as events happen; rows are written before the commit. */
import type { DatabaseSync } from "node:sqlite";
import { EVENT_BYTES, EVENTS_PER_ROW, writeEvent } from "../event-records.ts";
import type { Task } from "./model.ts";

export type EventLog = {
  /** Notes that `task` is now in its state and returns the event's number. */
  append(task: Task): number;
  /** Writes what was appended since the last flush. */
  flush(now: number): void;
  /** Forgets what was not committed. */
  reset(): void;
  last(): number;
};

/** Opens the log on `db`. */
export function createEventLog(db: DatabaseSync): EventLog {
  const insert = db.prepare("insert into events(first, last, at, entries) values(?, ?, ?, ?)");
  const lastRow = db.prepare("select max(last) as last from events");
  const lastKept = db.prepare("select value from meta where name = 'last_event'");
  const bytes = new Uint8Array(EVENT_BYTES * EVENTS_PER_ROW);
  const view = new DataView(bytes.buffer);
  const full: Uint8Array[] = [];
  let pending = 0;
  let written = 0;

  function reset(): void {
    full.length = 0;
    pending = 0;
    const kept = (lastKept.get() as { value: number } | undefined)?.value ?? 0;
    written = Math.max(kept, (lastRow.get() as { last: number | null }).last ?? 0);
  }
  reset();

  return {
    append(task) {
      if (pending === EVENTS_PER_ROW) {
        full.push(bytes.slice());
        pending = 0;
      }
      const { spec } = task;
      writeEvent(view, pending++, {
        task: task.seq,
        owner: spec.owner.key,
        group: spec.group?.key ?? 0,
        attempt: task.attempt,
        state: task.state,
      });
      return written + full.length * EVENTS_PER_ROW + pending;
    },
    flush(now) {
      for (const entries of full) {
        insert.run(written + 1, written + EVENTS_PER_ROW, now, entries);
        written += EVENTS_PER_ROW;
      }
      full.length = 0;
      if (pending === 0) return;
      insert.run(written + 1, written + pending, now, bytes.subarray(0, pending * EVENT_BYTES));
      written += pending;
      pending = 0;
    },
    reset,
    last: () => written,
  };
}
