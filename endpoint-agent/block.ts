/** One block as its agent sees it. */
import { newId } from "../protocol/ids.ts";
import type { Heartbeat } from "../protocol/messages.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import type { BlockRecord } from "./journal-state.ts";
import type { Manager } from "./manager.ts";
import type { BlockSnapshot } from "./scaler.ts";
import { SCALE } from "./units.ts";

export type Block = BlockRecord & {
  state: "pending" | "running" | "draining" | "stopping" | "killed";
  /** when it got into this state, on the clock that counts suspend */
  since: number;
  /** the provider's or the system's own words */
  reason: string | null;
  /** one of its managers has connected */
  connected: boolean;
  /** of an earlier run of the agent */
  adopted: boolean;
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
export function newBlock(policy: Settings["policy"]): Block {
  return {
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
  };
}

/** A block of an earlier run; whether its managers had connected is not known, so that its end is no failure. */
export function adoptedBlock(record: BlockRecord): Block {
  return { ...record, state: "pending", since: uptimeMs(), reason: null, connected: true, adopted: true };
}

/** What the journal keeps of it. */
export function recordOf({ id, job, submittedAt, nodes, walltimeMs }: Block) {
  return { kind: "block", id, job, submittedAt, nodes, walltimeMs } as const;
}

/** What the scaler needs of it; `lastDemandAt` is when something last waited. */
export function snapshotOf(
  block: Block,
  options: { managers: readonly Manager[]; lastDemandAt: number },
): BlockSnapshot {
  const { id, state, since, walltimeMs } = block;
  return {
    id,
    state: state === "running" || state === "pending" ? state : "draining",
    busy: busyOf(options.managers),
    idleSince: state === "pending" ? Math.max(since, options.lastDemandAt) : idleSinceOf(options.managers),
    expiresAt: walltimeMs === null ? null : since + walltimeMs,
  };
}

/** What a heartbeat says of it. */
export function summaryOfBlock(block: Block, managers: readonly Manager[]): Heartbeat["summary"]["blocks"][number] {
  return {
    id: block.id,
    job: block.job,
    state: block.state,
    reason: block.reason,
    since: Math.round(Date.now() - (uptimeMs() - block.since)),
    nodes: block.nodes,
    slots: slotsOf(managers),
    busy: busyOf(managers),
  };
}
