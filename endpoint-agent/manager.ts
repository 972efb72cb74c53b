/** A manager as its agent sees it. It outlives its connection: what it holds stays its own until its end is proven. */
import type { Resources } from "../protocol/task.ts";
import type { HeldTask } from "./held-task.ts";
import type { ManagerLink } from "./manager-link.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { createReceipts, type Receipts } from "./receipts.ts";
import type { SpecState } from "./spec-state.ts";
import { capacityOf, type Units } from "./units.ts";

export type ManagerHello = {
  block: string;
  node: number;
  nonce: string;
  host: string;
  bootId: string;
  capacity: Resources;
  remainingMs: number | null;
} & ProcessIdentity;

export type Manager = {
  readonly hello: ManagerHello;
  readonly capacity: Units;
  /** capacity less what its tasks take */
  readonly free: Units;
  /** of a manager that runs beside nodes: those that no task has */
  freeNodes: number;
  readonly tasks: Set<HeldTask>;
  readonly receipts: Receipts;
  link: ManagerLink | undefined;
  draining: boolean;
  /** when it said hello; on the clock that counts suspend */
  readonly since: number;
  /** it has run a task */
  proven: boolean;
  /** its node is excluded: it gets no work */
  unwelcome: boolean;
  /** on the clock that counts suspend; null without walltime */
  expiresAt: number | null;
  /** last frame of it; on the same clock */
  lastSeenAt: number;
  /** last time one of its tasks ended, or it got one while it had none */
  progressAt: number;
  /** when its work is killed unless it is answered again; on the same clock */
  deadlineAt: number;
  /** since when it has held no task; undefined while it has one */
  idleSince: number | undefined;
  report: { busy: number; workers: number; rssMb: number };
  /** tasks chosen for it in this turn, not yet sent */
  readonly outgoing: { specs: SpecState[]; tasks: HeldTask[] };
};

/** A manager that has just said hello, without a connection yet. */
export function createManager(hello: ManagerHello, options: { workers: number; now: number }): Manager {
  const capacity = capacityOf(hello.capacity, options.workers);
  return {
    hello,
    capacity,
    free: { ...capacity },
    freeNodes: hello.capacity.nodes ?? 0,
    tasks: new Set(),
    receipts: createReceipts(),
    link: undefined,
    draining: false,
    since: options.now,
    proven: false,
    unwelcome: false,
    expiresAt: hello.remainingMs === null ? null : options.now + hello.remainingMs,
    lastSeenAt: options.now,
    progressAt: options.now,
    deadlineAt: Number.POSITIVE_INFINITY,
    idleSince: options.now,
    report: { busy: 0, workers: 0, rssMb: 0 },
    outgoing: { specs: [], tasks: [] },
  };
}

/** Which node of which block; unique among live managers. */
export function managerKey(block: string, node: number): string {
  return `${block}/${node}`;
}
