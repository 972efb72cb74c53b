/** Replays a load over a model of a batch system, with the scaler that agents use: what would this policy do? Pure. */
import { type BlockSnapshot, decide, type Policy, tasksPerBlock } from "../../endpoint-agent/scaler.ts";
import { DEFAULT_RESOURCES, type Resources, resourceClass } from "../../protocol/task.ts";
import { type Sample, samplesOf, type Utilisation, utilisationOf } from "./timeline.ts";

/** `count` tasks that come at the same time and take as long as each other. */
export type Burst = { atMs: number; count: number; durationMs: number };

export type SimulationOptions = {
  load: readonly Burst[];
  policy: Policy;
  node: Resources;
  /** how long the batch system lets the n-th block wait before it runs */
  queueWaitMs(block: number): number;
  /** a block's life once it runs; null without end */
  walltimeMs: number | null;
  /** how often the scaler looks */
  stepMs: number;
  /** gives up after this much simulated time */
  limitMs: number;
};

export type Simulation = Utilisation & {
  samples: Sample[];
  blocksStarted: number;
  /** tasks that had ended when it stopped */
  ended: number;
  decisions: { at: number; start: number; stop: number; blocks: number }[];
};

type SimulatedTask = { submittedAt: number; durationMs: number; startedAt: number; endedAt: number };
type SimulatedBlock = {
  id: string;
  askedAt: number;
  upAt: number;
  goneAt: number;
  workers: number;
  running: SimulatedTask[];
  idleSince: number | null;
};

const CLASS = resourceClass(DEFAULT_RESOURCES);

/** Runs the model until all tasks have ended and no block is left beyond the least. */
export function simulate(options: SimulationOptions): Simulation {
  const { policy, node, stepMs } = options;
  const load = options.load.flatMap(({ atMs, count, durationMs }) =>
    Array.from({ length: count }, () => ({ atMs, durationMs })),
  );
  load.sort((a, b) => a.atMs - b.atMs);
  const workers = tasksPerBlock(CLASS, { node, policy });
  const waiting: SimulatedTask[] = [];
  const all: SimulatedTask[] = [];
  const past: SimulatedBlock[] = [];
  let blocks: SimulatedBlock[] = [];
  const decisions: Simulation["decisions"] = [];
  let started = 0;
  let ended = 0;
  let next = 0;
  let lastDemandAt = 0;
  let now = 0;

  const expiresAt = (block: SimulatedBlock) => (options.walltimeMs === null ? null : block.upAt + options.walltimeMs);
  const end = (block: SimulatedBlock) => {
    block.goneAt = now;
    // What its end cuts off waits again, first in line.
    for (const task of block.running) if (task.endedAt > now) waiting.unshift(task);
    past.push(block);
  };
  const settle = (block: SimulatedBlock) => {
    const still = block.running.filter((task) => task.endedAt > now);
    ended += block.running.length - still.length;
    if (still.length === 0 && block.running.length > 0) {
      block.idleSince = Math.max(...block.running.map((task) => task.endedAt));
    }
    block.running = still;
  };
  const fill = (block: SimulatedBlock) => {
    const until = expiresAt(block);
    while (block.upAt <= now && block.running.length < workers && waiting.length > 0) {
      const task = waiting[0] as SimulatedTask;
      if (until !== null && now + task.durationMs > until) return;
      waiting.shift();
      task.startedAt = now;
      task.endedAt = now + task.durationMs;
      block.running.push(task);
      block.idleSince = null;
    }
  };

  for (; now <= options.limitMs; now += stepMs) {
    for (; next < load.length && (load[next]?.atMs ?? 0) <= now; next++) {
      const task = { submittedAt: now, durationMs: load[next]?.durationMs ?? 0, startedAt: now, endedAt: Infinity };
      all.push(task);
      waiting.push(task);
    }
    for (const block of blocks) settle(block);
    const over = blocks.filter((block) => (expiresAt(block) ?? Infinity) <= now);
    for (const block of over) end(block);
    blocks = blocks.filter((block) => !over.includes(block));
    for (const block of blocks) fill(block);
    const busy = blocks.reduce((sum, block) => sum + block.running.length, 0);
    if (waiting.length + busy > 0) lastDemandAt = now;
    const { start, stop } = decide(
      {
        now,
        demand: { [CLASS]: waiting.length + busy },
        node,
        begun: now > 0,
        blocks: blocks.map((block) => snapshotOf(block, { now, lastDemandAt, expiresAt: expiresAt(block) })),
      },
      policy,
    );
    decisions.push({ at: now, start, stop: stop.length, blocks: blocks.length });
    for (const block of blocks.filter(({ id }) => stop.includes(id))) end(block);
    blocks = blocks.filter(({ id }) => !stop.includes(id));
    for (let i = 0; i < start; i++) {
      const upAt = now + options.queueWaitMs(started);
      const id = String(started++);
      blocks.push({ id, askedAt: now, upAt, goneAt: Infinity, workers, running: [], idleSince: null });
    }
    if (next === load.length && waiting.length + busy === 0 && blocks.length <= policy.minBlocks) break;
  }
  for (const block of blocks) end(block);
  const samples = samplesOf(
    all.map((task) => ({ ...task, endedAt: Math.min(task.endedAt, now) })),
    past.map((block) => ({ ...block, upAt: Math.min(block.upAt, block.goneAt) })),
  );
  const makespanMs = Math.max(0, ...all.map((task) => Math.min(task.endedAt, now)));
  return { ...utilisationOf(samples, makespanMs), samples, blocksStarted: started, ended, decisions };
}

function snapshotOf(
  block: SimulatedBlock,
  { now, lastDemandAt, expiresAt }: { now: number; lastDemandAt: number; expiresAt: number | null },
): BlockSnapshot {
  const pending = block.upAt > now;
  const idleSince = pending ? Math.max(block.askedAt, lastDemandAt) : (block.idleSince ?? block.upAt);
  return {
    id: block.id,
    state: pending ? "pending" : "running",
    busy: block.running.length,
    idleSince: block.running.length > 0 ? null : idleSince,
    expiresAt,
  };
}
