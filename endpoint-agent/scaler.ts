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
  /** given: a block may be idle for as long as one takes to start, within these two; else for maxIdleTimeMs */
  minIdleTimeMs?: number | undefined;
  /** how long a new block will live */
  walltimeMs?: number | undefined;
};

/** A block that was submitted and is not known to be gone. */
export type BlockSnapshot = {
  id: string;
  /** draining: it takes nothing new and ends by itself */
  state: "pending" | "running" | "draining";
  /** tasks that it has */
  busy: number;
  /** since when it has had none, or, while it is pending, since when it has been that; null while busy */
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
  /** how long a block takes from its submission until it works, as was seen lately */
  startMs?: number | undefined;
  /** how long tasks run, by resource class; a class that is missing is not known */
  runs?: Readonly<Record<string, RunTime>> | undefined;
  /** since when tasks have waited without a break */
  waitingSince?: number | undefined;
  /** the last time at which the blocks that run were not enough */
  neededAt?: number | undefined;
};

/** How long the tasks of a class run. */
export type RunTime = {
  meanMs: number;
  /** a block that ends sooner than this takes none of them */
  roomMs: number;
};

export type Decision = { start: number; stop: string[] };

/** What to start and to stop now. */
export function decide(snapshot: Snapshot, policy: Policy): Decision {
  const { blocks, demand } = snapshot;
  // It has nothing to do and too little time for anything that waits: it counts as nothing, and goes once minBlocks are there without it.
  const there = blocks.filter(({ state }) => state !== "draining");
  const spent = there.filter((block) => isSpent(block, { snapshot, policy }));
  const replaced = spent.slice(0, Math.max(0, there.length - policy.minBlocks));
  const alive = there.filter((block) => !spent.includes(block));
  const floor = snapshot.begun ? policy.minBlocks : Math.max(policy.minBlocks, policy.initBlocks);
  const within = (wanted: number) => Math.min(policy.maxBlocks, Math.max(floor, wanted));
  const running = alive.filter(({ state }) => state === "running").length;
  const useful = within(
    blocksFor({ demand: demandAtStart(snapshot, { policy, running }), node: snapshot.node }, policy),
  );
  // What drains is still there at the scheduler, so it counts against the limit.
  const start = Math.max(0, Math.min(useful - alive.length, policy.maxBlocks - blocks.length));
  const surplus = alive.length - within(blocksFor({ demand, node: snapshot.node }, policy));
  const idleMs = idleTimeMs(snapshot, policy);
  const idle = alive.filter((block) => {
    const since = idleSinceOf(block, snapshot);
    return block.busy === 0 && since !== undefined && snapshot.now - since >= idleMs;
  });
  idle.sort(leastWorthFirst);
  return { start, stop: [...replaced, ...idle.slice(0, Math.max(0, surplus))].map((block) => block.id) };
}

/**
 * How long a block may be idle: as long as it takes to get another one. Whatever the load does next, idleness and
 * starting then cost at most twice what they would have cost somebody who knew it.
 */
export function idleTimeMs({ startMs }: Pick<Snapshot, "startMs">, policy: Policy): number {
  const { minIdleTimeMs, maxIdleTimeMs } = policy;
  if (minIdleTimeMs === undefined) return maxIdleTimeMs;
  return Math.min(maxIdleTimeMs, Math.max(minIdleTimeMs, startMs ?? maxIdleTimeMs));
}

/** When a block that is idle now will have been so for long enough to be let go; undefined when none is idle, or all of these are due. */
export function nextIdleEnd(
  snapshot: Pick<Snapshot, "now" | "blocks" | "startMs" | "neededAt">,
  policy: Policy,
): number | undefined {
  const { now, blocks } = snapshot;
  const idleMs = idleTimeMs(snapshot, policy);
  let next: number | undefined;
  for (const block of blocks) {
    const since = idleSinceOf(block, snapshot);
    const due = block.state === "draining" || since === undefined ? now : since + idleMs;
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

/**
 * The demand that the running blocks will have left when a block that is asked for now could start. All of it while
 * nothing is known of starts or run times, or when the wait has lasted so long that what was known must be wrong.
 */
function demandAtStart(
  { demand, node, now, startMs, runs, waitingSince }: Snapshot,
  { policy, running }: { policy: Policy; running: number },
): Readonly<Record<string, number>> {
  if (running === 0 || startMs === undefined || now - (waitingSince ?? now) >= startMs) return demand;
  let workMs = 0;
  for (const [classKey, count] of Object.entries(demand)) {
    const perBlock = tasksPerBlock(classKey, { node, policy });
    if (count === 0 || perBlock === 0) continue;
    const run = runs?.[classKey];
    if (run === undefined) return demand;
    workMs += (count * run.meanMs) / perBlock;
  }
  const left = workMs === 0 ? 1 : Math.max(0, 1 - (running * startMs) / workMs);
  return Object.fromEntries(Object.entries(demand).map(([classKey, count]) => [classKey, count * left]));
}

/** Whether an idle block will end too soon for each class that waits, and a new one would not. */
function isSpent(block: BlockSnapshot, { snapshot, policy }: { snapshot: Snapshot; policy: Policy }): boolean {
  const { now, demand, runs } = snapshot;
  if (block.state !== "running" || block.busy > 0 || block.expiresAt === null) return false;
  const remaining = block.expiresAt - now;
  const classes = Object.keys(demand).filter((classKey) => (demand[classKey] ?? 0) > 0);
  return (
    classes.length > 0 &&
    classes.every((classKey) => {
      const roomMs = runs?.[classKey]?.roomMs;
      // A block drains in the last tenth of its life.
      return roomMs !== undefined && remaining <= roomMs && roomMs < (policy.walltimeMs ?? 0) * 0.9;
    })
  );
}

/** A pending block does nothing while those that run are enough. */
function idleSinceOf(
  { state, idleSince }: BlockSnapshot,
  { neededAt }: Pick<Snapshot, "neededAt">,
): number | undefined {
  if (idleSince === null) return undefined;
  return state === "pending" ? Math.max(idleSince, neededAt ?? idleSince) : idleSince;
}

/** One that has not started holds nothing; then the one that would end soonest. */
function leastWorthFirst(a: BlockSnapshot, b: BlockSnapshot): number {
  const left = a.state === "pending" ? -1 : (a.expiresAt ?? Number.MAX_VALUE);
  const right = b.state === "pending" ? -1 : (b.expiresAt ?? Number.MAX_VALUE);
  return left - right || (a.idleSince ?? 0) - (b.idleSince ?? 0);
}
