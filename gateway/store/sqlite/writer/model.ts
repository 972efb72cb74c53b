/** What the writer keeps in memory: a mirror of the small, hot part of the database. It is the only writer, so the mirror is exact. */
import type { CallSpec, Resources } from "../../../../protocol/task.ts";
import { DEFAULT_RESOURCES, DEFAULTS, resourceClass } from "../../../../protocol/task-constants.ts";

/** An owner, with its unfinished tasks and their inline bytes. */
export type Owner = { key: number; name: string; tasks: number; bytes: number; functions: Set<string> };

/** An endpoint, with its unfinished tasks, its leases by task id, and its queues by class, those of higher priority first. */
export type Endpoint = {
  key: number;
  id: string;
  name: string;
  epoch: number;
  pull: number;
  draining: boolean;
  deleted: boolean;
  tasks: number;
  bytes: number;
  leases: Map<string, Task>;
  queues: Map<string, Queue[]>;
};

/** The queued tasks of one endpoint, resource class and priority; within it the order is that of `seq`. */
export type Queue = { key: number; endpoint: Endpoint; className: string; priority: number; queued: number };

export type Group = { key: number; name: string };

/** An interned spec, with its defaults filled in. */
export type Spec = {
  key: number;
  text: string;
  owner: Owner;
  endpoint: Endpoint;
  queue: Queue;
  group: Group | null;
  functionId: string;
  ttlMs: number;
  retries: number;
  retryDelayMs: number;
  maxAttempts: number;
  atMostOnce: boolean;
};

/** The part of a task that its transitions need. `state` is a code of states.ts. */
export type Task = {
  seq: number;
  id: string;
  spec: Spec;
  state: number;
  lease: number;
  attempt: number;
  argsSize: number;
  leasedAt: number;
  startedAt: number | null;
  block: number | null;
  worker: number | null;
};

/** The options of a spec that the store acts on, defaults filled in. */
export function specOptions(spec: CallSpec): Pick<
  Spec,
  "functionId" | "ttlMs" | "retries" | "retryDelayMs" | "maxAttempts" | "atMostOnce"
> & {
  priority: number;
  className: string;
} {
  return {
    functionId: spec.function,
    ttlMs: spec.ttlMs ?? DEFAULTS.ttlMs,
    retries: spec.retries ?? DEFAULTS.retries,
    retryDelayMs: spec.retryDelayMs ?? DEFAULTS.retryDelayMs,
    maxAttempts: spec.maxAttempts ?? DEFAULTS.maxAttempts,
    atMostOnce: spec.delivery === "at-most-once",
    priority: spec.priority ?? DEFAULTS.priority,
    className: resourceClass((spec.resources as Resources | undefined) ?? DEFAULT_RESOURCES),
  };
}
