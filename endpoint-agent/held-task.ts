/** A lease that this agent holds, from its arrival until the gateway has committed its end. */
import type { LeaseEntry } from "../protocol/batch.ts";
import type { HeldLease } from "../protocol/messages.ts";
import type { Manager } from "./manager.ts";
import type { SpecState } from "./spec-state.ts";
import type { Units } from "./units.ts";

export type HeldTask = {
  id: string;
  lease: number;
  /** queued: here; placed: with `manager`; ended: its result waits for the gateway's commit */
  phase: "queued" | "placed" | "ended";
  /** undefined for what was adopted from a manager after a restart: nobody here knows its spec */
  spec: SpecState | undefined;
  entry: LeaseEntry | undefined;
  /** of the inline arguments, a view on the message they came in */
  bytes: Uint8Array;
  manager: Manager | undefined;
  /** what it takes of its manager */
  cost: Units | undefined;
  /** the managers of its further nodes, which have nothing else for its time */
  others: readonly Manager[];
  /** at-most-once: the gateway has committed its start, so it may run */
  granted: boolean;
  /** its manager has reported its start */
  started: boolean;
  /** cancelled while a manager has it: not to go on if that manager was out of reach */
  unwanted: boolean;
  /** somebody watches its output */
  watched: boolean;
  /** monotonic; what was adopted counts as old */
  arrivedAt: number;
};

export type TaskTable = {
  readonly size: number;
  get(id: string): HeldTask | undefined;
  /** The task, if it is held with exactly this lease. */
  match(id: string, lease: number): HeldTask | undefined;
  add(task: HeldTask): void;
  remove(task: HeldTask): void;
  /** Leases that arrived before `before`. */
  leases(before: number): HeldLease[];
  values(): IterableIterator<HeldTask>;
};

/** All leases of this agent by task id. */
export function createTaskTable(): TaskTable {
  const tasks = new Map<string, HeldTask>();
  return {
    get size() {
      return tasks.size;
    },
    get: (id) => tasks.get(id),
    match(id, lease) {
      const task = tasks.get(id);
      return task?.lease === lease ? task : undefined;
    },
    add: (task) => void tasks.set(task.id, task),
    remove(task) {
      if (tasks.get(task.id) === task) tasks.delete(task.id);
    },
    leases(before) {
      const held: HeldLease[] = [];
      for (const task of tasks.values()) if (task.arrivedAt < before) held.push([task.id, task.lease]);
      return held;
    },
    values: () => tasks.values(),
  };
}

const NONE: readonly Manager[] = [];

/** The task of a hand-out that has just arrived. */
export function heldTask(spec: SpecState, entry: LeaseEntry, bytes: Uint8Array, now: number): HeldTask {
  return {
    id: entry.id,
    lease: entry.lease,
    phase: "queued",
    spec,
    entry,
    bytes,
    manager: undefined,
    cost: undefined,
    others: NONE,
    granted: false,
    started: false,
    unwanted: false,
    watched: false,
    arrivedAt: now,
  };
}

/** The task of a lease that a manager held before this agent started. */
export function adoptedTask([id, lease]: HeldLease, manager: Manager | undefined): HeldTask {
  return {
    id,
    lease,
    phase: manager ? "placed" : "ended",
    spec: undefined,
    entry: undefined,
    bytes: new Uint8Array(0),
    manager,
    cost: undefined,
    others: NONE,
    granted: false,
    started: false,
    unwanted: false,
    watched: false,
    arrivedAt: Number.NEGATIVE_INFINITY,
  };
}
