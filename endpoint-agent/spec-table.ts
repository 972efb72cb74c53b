/** The specs of tasks that are here, or were lately: their mean run times outlive the tasks. */
import type { LeaseSpec } from "../protocol/batch.ts";
import { DEFAULT_RESOURCES, resourceClass } from "../protocol/task.ts";
import type { ResourceClasses } from "./resource-classes.ts";
import { createSpecState, type SpecState } from "./spec-state.ts";

export type SpecTable = {
  /** The state of a spec, made when it is new. */
  of(spec: LeaseSpec): SpecState;
  /** A task is about to be queued in it. */
  waits(state: SpecState): void;
  /** Those that have queued tasks. */
  waiting(): SpecState[];
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
