/** What the agent knows of each spec: its needs, its queue and how long its tasks run. */
import type { LeaseSpec } from "../protocol/batch.ts";
import { DEFAULT_RESOURCES } from "../protocol/task.ts";
import { createDeque, type Deque } from "./deque.ts";
import type { HeldTask } from "./held-task.ts";
import type { ResourceClass } from "./resource-classes.ts";
import { costOf, type Units } from "./units.ts";

/** Specs that have tasks here, or had lately. */
export type SpecState = {
  spec: LeaseSpec;
  class: ResourceClass;
  priority: number;
  atMostOnce: boolean;
  /** mean run time in ms, undefined until one of its tasks ended */
  meanMs: number | undefined;
  /** mean deviation from it */
  deviationMs: number;
  /** how many of its tasks share one core's place at a manager; 1 means: packed exactly */
  share: number;
  /** what one of its tasks takes of a manager at that share */
  cost: Units;
  queue: Deque<HeldTask>;
  /** of held tasks, queued or placed */
  unfinished: number;
};

/** What each observation weighs in the mean. */
const WEIGHT = 0.1;
/** A worker holds as many tasks as their time makes this long. */
const HOLD_MS = 10;
const MAX_HOLD = 64;
/** Tasks up to this mean have a successor at the manager, so that no worker waits for the agent. */
const PREFETCH_BELOW_MS = 100;
/** A task whose run time nobody knows is not started in a block that ends sooner than this. */
export const MIN_REMAINING_MS = 30_000;

/** The state of a spec that has no tasks yet and whose run time nobody knows. */
export function createSpecState(spec: LeaseSpec, classOf: ResourceClass): SpecState {
  return {
    spec,
    class: classOf,
    priority: spec.priority ?? 0,
    atMostOnce: spec.delivery === "at-most-once",
    meanMs: undefined,
    deviationMs: 0,
    share: 1,
    cost: classOf.cost,
    queue: createDeque(),
    unfinished: 0,
  };
}

/** Counts a run in; a share that changes holds for tasks placed from now on. */
export function observeRun(state: SpecState, ranMs: number): void {
  if (state.meanMs === undefined) state.meanMs = ranMs;
  const difference = ranMs - state.meanMs;
  state.meanMs += WEIGHT * difference;
  state.deviationMs += WEIGHT * (Math.abs(difference) - state.deviationMs);
  const share = shareOf(state.meanMs, state.atMostOnce);
  if (share === state.share) return;
  state.share = share;
  state.cost = costOf(state.spec.resources ?? DEFAULT_RESOURCES, share);
}

/** How many tasks of that mean run time share a core's place: twice what a worker holds, a power of two. */
export function shareOf(meanMs: number | undefined, atMostOnce: boolean): number {
  if (atMostOnce || meanMs === undefined || meanMs > PREFETCH_BELOW_MS) return 1;
  const hold = Math.min(MAX_HOLD, Math.max(1, HOLD_MS / Math.max(meanMs, 1e-3)));
  return 2 * 2 ** Math.floor(Math.log2(hold));
}
