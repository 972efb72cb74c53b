/** When blocks start and stop: one pure function, the clock inside the snapshot (DESIGN.md section 4). */
import { parseResourceClass, type Resources } from "../protocol/task.ts";
import { capacityOf, costOf, countFitting } from "./units.ts";

export type Policy = {
  initBlocks: number;
  minBlocks: number;
  maxBlocks: number;
  nodesPerBlock: number;
  workersPerNode: number;
  parallelism: number;
  maxIdleTimeMs: number;
};

/** A block that was submitted and is not known to be gone. */
export type BlockSnapshot = {
  id: string;
  /** draining: it takes nothing new and ends by itself */
  state: "pending" | "running" | "draining";
  /** tasks that it has */
  busy: number;
  /** since when it has had none, or, while it is pending, since when nothing has waited for it; null while busy */
  idleSince: number | null;
  /** when its walltime ends; null without one */
  expiresAt: number | null;
};

export type Snapshot = {
  now: number;
  /** tasks that wait at the gateway or are held by the agent, by resource class */
  demand: Readonly<Record<string, number>>;
  /** what one node offers */
  node: Resources;
  blocks: readonly BlockSnapshot[];
  /** the first blocks were started once */
  begun: boolean;
};

export type Decision = { start: number; stop: string[] };

/** What to start and to stop now. */
export function decide(snapshot: Snapshot, policy: Policy): Decision {
  const alive = snapshot.blocks.filter((block) => block.state !== "draining");
  const floor = snapshot.begun ? policy.minBlocks : Math.max(policy.minBlocks, policy.initBlocks);
  const wanted = Math.min(policy.maxBlocks, Math.max(floor, blocksFor(snapshot, policy)));
  // What drains is still there at the scheduler, so it counts against the limit.
  const start = Math.max(0, Math.min(wanted - alive.length, policy.maxBlocks - snapshot.blocks.length));
  const surplus = alive.length - wanted;
  if (surplus <= 0) return { start, stop: [] };
  const idle = alive.filter(
    ({ busy, idleSince }) => busy === 0 && idleSince !== null && snapshot.now - idleSince >= policy.maxIdleTimeMs,
  );
  idle.sort(soonestExpiringFirst);
  return { start, stop: idle.slice(0, surplus).map((block) => block.id) };
}

/** When a block that is idle now will have been so for long enough to be let go; undefined when none is idle, or all of these are due. */
export function nextIdleEnd({ now, blocks }: Pick<Snapshot, "now" | "blocks">, policy: Policy): number | undefined {
  let next: number | undefined;
  for (const { state, idleSince } of blocks) {
    const due = state === "draining" || idleSince === null ? now : idleSince + policy.maxIdleTimeMs;
    if (due > now && (next === undefined || due < next)) next = due;
  }
  return next;
}

/** How many blocks the demand would fill. */
export function blocksFor(snapshot: Pick<Snapshot, "demand" | "node">, policy: Policy): number {
  let blocks = 0;
  for (const [classKey, count] of Object.entries(snapshot.demand)) {
    const perBlock = tasksPerBlock(classKey, { node: snapshot.node, policy });
    // What no block can hold is failed by the agent and wants no block.
    if (perBlock > 0) blocks += (count * policy.parallelism) / perBlock;
  }
  // Sums of thirds must not ask for one block more.
  return Math.max(0, Math.ceil(blocks - 1e-9));
}

/** How many tasks of a class run in one block at once. */
export function tasksPerBlock(
  classKey: string,
  { node, policy }: { node: Resources; policy: Pick<Policy, "nodesPerBlock" | "workersPerNode"> },
): number {
  const need = parseResourceClass(classKey);
  const fitting = (offered: Resources) => countFitting(capacityOf(offered, policy.workersPerNode), costOf(need, 1));
  if (need.nodes === undefined) return fitting(node) * policy.nodesPerBlock;
  const { cores, memoryMb, gpus } = node;
  return fitting({ cores, memoryMb, gpus }) === 0 ? 0 : Math.floor(policy.nodesPerBlock / need.nodes);
}

function soonestExpiringFirst(a: BlockSnapshot, b: BlockSnapshot): number {
  const left = a.expiresAt ?? Number.MAX_VALUE;
  const right = b.expiresAt ?? Number.MAX_VALUE;
  return left - right || (a.idleSince ?? 0) - (b.idleSince ?? 0);
}
