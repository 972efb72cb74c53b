/** What the agent has of each resource class. */
import { parseResourceClass, type Resources } from "../protocol/task.ts";
import { costOf, type Units } from "./units.ts";

export type ResourceClass = {
  readonly key: string;
  readonly resources: Resources;
  /** what one of its tasks takes of a manager that it does not share its place */
  readonly cost: Units;
  /** tasks that wait here for a place */
  queued: number;
  /** tasks that have not ended, the queued ones among them */
  unfinished: number;
};

export type ResourceClasses = {
  /** The class of a key, made when it is new. */
  of(key: string): ResourceClass;
  all(): IterableIterator<ResourceClass>;
};

/** The classes that this agent has seen: as many as its users have ways to ask for resources. */
export function createResourceClasses(): ResourceClasses {
  const classes = new Map<string, ResourceClass>();
  return {
    of(key) {
      let known = classes.get(key);
      if (!known) {
        const resources = parseResourceClass(key);
        known = { key, resources, cost: costOf(resources, 1), queued: 0, unfinished: 0 };
        classes.set(key, known);
      }
      return known;
    },
    all: () => classes.values(),
  };
}
