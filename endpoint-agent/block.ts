/** One block as its agent sees it. */
import { newId } from "../protocol/ids.ts";
import type { Heartbeat } from "../protocol/messages.ts";
import { uptimeMs, wallTime } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { BlockRecord } from "./journal-state.ts";
import type { Manager } from "./manager.ts";
import type { TakenCause } from "./provider/port.ts";
import type { BlockSnapshot } from "./scaler.ts";
import { SCALE } from "./units.ts";

export type Block = BlockRecord & {
  /** `lost`: its scheduler has given it up; what it had may still run, until its end is proven */
  state: "pending" | "running" | "draining" | "stopping" | "killed" | "lost";
  /** when it got into this state, on the clock that counts suspend */
  since: number;
  /** the provider's or the system's own words */
  reason: string | null;
  /** one of its managers has connected */
  connected: boolean;
  /** of an earlier run of the agent */
  adopted: boolean;
  /** the scheduler says that somebody holds it back */
  held: boolean;
  /** since when its cancelled job does not end; undefined while it is wanted */
  cancelledAt: number | undefined;
  /** its nodes whose manager has failed, each counted once */
  readonly failedNodes: Set<number>;
  /** which of the configured places it was asked for at */
  readonly place: number;
  /** nodes that it keeps away from for as long as it waits */
  exclude: readonly string[];
  /** lost: why, where the scheduler says it */
  cause: TakenCause | undefined;
  /** it has done what it was asked for */
  proven: boolean;
};

/** Tasks that its managers have. */
export function busyOf(managers: readonly Manager[]): number {
  let busy = 0;
  for (const manager of managers) busy += manager.tasks.size;
  return busy;
}

/** Workers that its managers run at once. */
export function slotsOf(managers: readonly Manager[]): number {
  let slots = 0;
  for (const manager of managers) slots += manager.capacity.places / SCALE;
  return slots;
}

/** When the walltime of the first of them ends, on the clock that counts suspend; null without one. */
export function endOf(managers: readonly Manager[]): number | null {
  let first: number | null = null;
  for (const { expiresAt } of managers) if (expiresAt !== null) first = Math.min(first ?? expiresAt, expiresAt);
  return first;
}

/** Since when none of them has had a task; null while one has, or while there is none. */
export function idleSinceOf(managers: readonly Manager[]): number | null {
  let latest: number | null = null;
  for (const { idleSince } of managers) {
    if (idleSince === undefined) return null;
    latest = Math.max(latest ?? 0, idleSince);
  }
  return latest;
}

/** A block that is about to be submitted. */
export function newBlock(policy: Settings["policy"], place = 0): Block {
  return {
    place,
    id: newId(),
    job: null,
    submittedAt: Date.now(),
    nodes: policy.nodesPerBlock,
    walltimeMs: policy.walltimeMs ?? null,
    state: "pending",
    since: uptimeMs(),
    reason: null,
    connected: false,
    adopted: false,
    held: false,
    cancelledAt: undefined,
    failedNodes: new Set(),
    exclude: [],
    cause: undefined,
    proven: false,
  };
}

/** A block of an earlier run; whether its managers had connected is not known, so that its end is no failure. */
export function adoptedBlock(record: BlockRecord): Block {
  const since = uptimeMs();
  const fresh = {
    state: "pending",
    since,
    reason: null,
    held: false,
    cancelledAt: undefined,
    cause: undefined,
    proven: false,
  } as const;
  return { ...record, ...fresh, connected: true, adopted: true, failedNodes: new Set(), exclude: [], place: 0 };
}

/** One word for people. */
function stateOf({ state, job, held, adopted }: Block): string {
  // Its submission was not answered, or this agent is not the one that heard the answer.
  if (job === null && (state === "stopping" || (adopted && state === "pending"))) return "unknown";
  return held && state === "pending" ? "held" : state;
}

/** What the journal keeps of it. */
export function recordOf({ id, job, submittedAt, nodes, walltimeMs }: Block) {
  return { kind: "block", id, job, submittedAt, nodes, walltimeMs } as const;
}

/** What the scaler needs of it. */
export function snapshotOf(block: Block, managers: readonly Manager[]): BlockSnapshot {
  const { id, state, since, walltimeMs, adopted } = block;
  return {
    id,
    state: state === "running" || state === "pending" ? state : "draining",
    busy: busyOf(managers),
    idleSince: state === "pending" ? since : idleSinceOf(managers),
    // Since when one of an earlier agent runs, its managers know.
    expiresAt: adopted ? endOf(managers) : walltimeMs === null ? null : since + walltimeMs,
  };
}

/** What a heartbeat says of it. */
export function summaryOfBlock(block: Block, managers: readonly Manager[]): Heartbeat["summary"]["blocks"][number] {
  const endsAt = endOf(managers);
  return {
    id: block.id,
    // A provider may have put the block's name into its id.
    job: block.job?.replace(`/${block.id}`, "") ?? null,
    state: stateOf(block),
    reason: block.reason ?? (block.adopted && block.job === null ? "the scheduler is asked for it by its name" : null),
    since: wallTime(block.since),
    nodes: block.nodes,
    slots: slotsOf(managers),
    busy: busyOf(managers),
    submittedAt: block.submittedAt,
    endsAt: endsAt === null ? null : wallTime(endsAt),
  };
}
