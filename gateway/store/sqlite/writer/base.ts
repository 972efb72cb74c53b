/** What all write operations share: the connection, the mirror in memory, the clock of the call, the counters and the event log. */
import type { DatabaseSync } from "node:sqlite";
import type { StoreLimits } from "../../port.ts";
import { idFromBytes } from "../ids.ts";
import { CODE } from "../states.ts";
import { type Counts, countQueued, createCounts, open } from "./counts.ts";
import { createEndpoints, type Endpoints } from "./endpoints.ts";
import { createEventLog, type EventLog } from "./event-log.ts";
import { createInterning, type Interning } from "./interning.ts";
import type { Task } from "./model.ts";
import { createPhases, type Phases } from "./phases.ts";

export type Base = {
  readonly db: DatabaseSync;
  readonly limits: StoreLimits;
  readonly interning: Interning;
  readonly endpoints: Endpoints;
  readonly counts: Counts;
  readonly events: EventLog;
  readonly phases: Phases;
  /** the call's time */
  now: number;
  /** the time of the newest task: a clock that steps back must not upset the order of `submitted_at`, which time filters rely on */
  submittedAt: number;
  nextSeq: number;
  /** Writes what gathered during the transaction. */
  flush(): void;
  /** Builds the mirror from the database: at the start, and after a rollback. */
  load(): void;
};

/** Builds the base over an open connection. */
export function createBase(db: DatabaseSync, limits: StoreLimits): Base {
  const endpoints = createEndpoints(db);
  const interning = createInterning(db, endpoints);
  const counts = createCounts(db);
  const events = createEventLog(db);
  const loaders = prepareLoaders(db);
  const base: Base = {
    db,
    limits,
    interning,
    endpoints,
    counts,
    events,
    phases: createPhases(),
    now: 0,
    submittedAt: 0,
    nextSeq: 1,
    flush() {
      counts.flush();
      events.flush(base.now);
    },
    load() {
      endpoints.reset();
      interning.reset();
      counts.reset();
      events.reset();
      const last = loaders.lastTask();
      base.nextSeq = last.nextSeq;
      base.submittedAt = last.submittedAt;
      if (loadCounters(base, loaders) > 0) loadLeases(base, loaders);
    },
  };
  base.load();
  return base;
}

/** The columns of a `Task`. */
export const TRANSITION_COLUMNS = `seq, id, spec, state, lease, attempt, case when args_form >= 8 then 0 else args_size end as argsSize,
  leased_at as leasedAt, started_at as startedAt, block, worker`;
export type TransitionRow = Omit<Task, "id" | "spec"> & { id: Uint8Array; spec: number };

type CountRow = { spec: number; open: number; queued: number; leased: number; bytes: number };
type Loaders = ReturnType<typeof prepareLoaders>;

function prepareLoaders(db: DatabaseSync) {
  const counters = db.prepare(`
    select spec, held + staging + queued + leased + running + waiting as open, queued, leased + running as leased,
      open_bytes as bytes
    from counts where held + staging + queued + leased + running + waiting > 0`);
  const leases = db.prepare(`
    select ${TRANSITION_COLUMNS}
    from tasks indexed by tasks_open where state < 10 and state in (${CODE.leased}, ${CODE.running})`);
  const last = db.prepare("select seq, submitted_at as submittedAt from tasks order by seq desc limit 1");
  const kept = db.prepare("select value from meta where name = 'next_seq'");
  return {
    counters: () => counters.iterate() as Iterable<CountRow>,
    leases: () => leases.iterate() as Iterable<TransitionRow>,
    lastTask() {
      const row = last.get() as { seq: number; submittedAt: number } | undefined;
      const { value } = (kept.get() ?? { value: 1 }) as { value: number };
      return { nextSeq: Math.max(value, (row?.seq ?? 0) + 1), submittedAt: row?.submittedAt ?? 0 };
    },
  };
}

function loadCounters(base: Base, loaders: Loaders): number {
  let leased = 0;
  for (const row of [...loaders.counters()]) {
    const spec = base.interning.specByKey(row.spec);
    open(spec, row.open, row.bytes);
    if (row.queued > 0) countQueued(spec.queue, row.queued);
    leased += row.leased;
  }
  return leased;
}

function loadLeases(base: Base, loaders: Loaders): void {
  for (const row of [...loaders.leases()]) {
    const task = taskOf(base, row);
    task.spec.endpoint.leases.set(task.id, task);
  }
}

/** The task of a row: the mirror's own object while it is leased or running. */
export function taskOf(base: Base, row: TransitionRow): Task {
  const spec = base.interning.specByKey(row.spec);
  const id = idFromBytes(row.id);
  return spec.endpoint.leases.get(id) ?? { ...row, id, spec };
}
