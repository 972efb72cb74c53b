/** The specs of tasks that are here, or were lately: their mean run times outlive the tasks. */
import type { LeaseSpec } from "../protocol/batch.ts";
import { DEFAULT_RESOURCES, resourceClass } from "../protocol/task.ts";
import type { ResourceClasses } from "./resource-classes.ts";
import type { RunTime } from "./scaler.ts";
import { createSpecState, type SpecState } from "./spec-state.ts";
import { roomMs } from "./walltime-fit.ts";

export type SpecTable = {
  /** The state of a spec, made when it is new. */
  of(spec: LeaseSpec): SpecState;
  /** A task is about to be queued in it. */
  waits(state: SpecState): void;
  /** Those that have queued tasks. */
  waiting(): SpecState[];
  /** How long the tasks that are here run, by resource class; none of a class with a spec that has not run yet. */
  runs(): Record<string, RunTime>;
};

/** A spec without tasks is kept for its mean run time, up to this many. */
const KEPT_SPECS = 1024;

/** Makes an empty table. */
export function createSpecTable(classes: ResourceClasses): SpecTable {
  const specs = new Map<string, SpecState>();
  const queues = new Set<SpecState>();
  const forgetOldest = () => {
    for (const [key, state] of specs) {
      if (state.unfinished > 0) continue;
      specs.delete(key);
      queues.delete(state);
      return;
    }
  };
  return {
    of(spec) {
      const key = `${spec.key}/${spec.owner}`;
      let state = specs.get(key);
      if (state) return state;
      if (specs.size >= KEPT_SPECS) forgetOldest();
      state = createSpecState(spec, classes.of(resourceClass(spec.resources ?? DEFAULT_RESOURCES)));
      specs.set(key, state);
      return state;
    },
    waits: (state) => void queues.add(state),
    runs() {
      const runs: Record<string, RunTime> = {};
      for (const state of specs.values()) {
        if (state.unfinished === 0) continue;
        const { key } = state.class;
        const { meanMs = Number.POSITIVE_INFINITY } = state;
        const known = runs[key] ?? { meanMs: 0, roomMs: Number.POSITIVE_INFINITY };
        // The longest mean: what the gateway holds back may be all of that kind.
        runs[key] = { meanMs: Math.max(known.meanMs, meanMs), roomMs: Math.min(known.roomMs, roomMs(state)) };
      }
      return runs;
    },
    waiting() {
      const waiting: SpecState[] = [];
      for (const state of queues) {
        if (state.queue.length > 0) waiting.push(state);
        else queues.delete(state);
      }
      return waiting;
    },
  };
}
