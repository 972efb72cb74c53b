/**
 * How many tasks of each spec are in each state. Kept exactly, in the same transaction, so that counts and limits never scan;
 * one row a spec and commit is written, whatever the number of tasks.
 */
import type { DatabaseSync } from "node:sqlite";
import { CODE, FIRST_TERMINAL } from "../states.ts";
import type { Queue, Spec } from "./model.ts";

export type Counts = {
  /** Notes that `tasks` new tasks with `bytes` of inline arguments came in `state`. */
  add(spec: Spec, state: number, tasks: number, bytes: number): void;
  /** Notes that one task went from one state to another. */
  move(spec: Spec, from: number, to: number, argsSize: number): void;
  /** Notes that a finished task was deleted. */
  remove(spec: number, state: number): void;
  flush(): void;
  reset(): void;
};

const COLUMNS = Object.keys(CODE);
const CODES = Object.values(CODE);
const BYTES = 14;

/** Counts over `db`; limits' and queues' counters in memory are moved along. */
export function createCounts(db: DatabaseSync): Counts {
  const upsert = db.prepare(
    `insert into counts(spec, ${COLUMNS.join(", ")}, open_bytes) values(?${", ?".repeat(COLUMNS.length + 1)})
     on conflict(spec) do update set ${COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")},
       open_bytes = open_bytes + excluded.open_bytes`,
  );
  const dirty = new Map<number, number[]>();

  function deltas(spec: number): number[] {
    let found = dirty.get(spec);
    if (!found) {
      found = new Array<number>(BYTES + 1).fill(0);
      dirty.set(spec, found);
    }
    return found;
  }

  return {
    add(spec, state, tasks, bytes) {
      const delta = deltas(spec.key);
      delta[state] = (delta[state] as number) + tasks;
      delta[BYTES] = (delta[BYTES] as number) + bytes;
      open(spec, tasks, bytes);
      if (state === CODE.queued) countQueued(spec.queue, tasks);
    },
    move(spec, from, to, argsSize) {
      const delta = deltas(spec.key);
      delta[from] = (delta[from] as number) - 1;
      delta[to] = (delta[to] as number) + 1;
      if (from === CODE.queued) countQueued(spec.queue, -1);
      if (to === CODE.queued) countQueued(spec.queue, 1);
      if (to < FIRST_TERMINAL) return;
      delta[BYTES] = (delta[BYTES] as number) - argsSize;
      open(spec, -1, -argsSize);
    },
    remove(spec, state) {
      const delta = deltas(spec);
      delta[state] = (delta[state] as number) - 1;
    },
    flush() {
      for (const [spec, delta] of dirty)
        upsert.run(spec, ...CODES.map((code) => delta[code] as number), delta[BYTES] as number);
      dirty.clear();
    },
    reset: () => dirty.clear(),
  };
}

/** Moves the counters that the limits look at. */
export function open(spec: Spec, tasks: number, bytes: number): void {
  spec.owner.tasks += tasks;
  spec.owner.bytes += bytes;
  spec.endpoint.tasks += tasks;
  spec.endpoint.bytes += bytes;
}

/** Moves a queue's counter; a queue is listed at its endpoint while it is not empty. */
export function countQueued(queue: Queue, by: number): void {
  const before = queue.queued;
  queue.queued += by;
  const { queues } = queue.endpoint;
  if (before === 0 && queue.queued > 0) {
    const list = queues.get(queue.className);
    if (list) insertByPriority(list, queue);
    else queues.set(queue.className, [queue]);
  } else if (before > 0 && queue.queued === 0) {
    const rest = (queues.get(queue.className) as Queue[]).filter((other) => other !== queue);
    if (rest.length > 0) queues.set(queue.className, rest);
    else queues.delete(queue.className);
  }
}

function insertByPriority(list: Queue[], queue: Queue): void {
  const at = list.findIndex((other) => other.priority < queue.priority);
  list.splice(at < 0 ? list.length : at, 0, queue);
}
