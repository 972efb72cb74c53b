/** Replays a load over a model of a batch system, with the scaler that agents use: what would this policy do? Pure. */
import { type BlockSnapshot, decide, type Policy, type RunTime, tasksPerBlock } from "../../endpoint-agent/scaler.ts";
import { createScalerMemory } from "../../endpoint-agent/scaler-memory.ts";
import { DEFAULT_RESOURCES, type Resources, resourceClass } from "../../protocol/task.ts";
import { fill, type ModelBlock, type ModelTask, settle } from "./model-pool.ts";
import { type Sample, samplesOf, type Utilisation, utilisationOf } from "./timeline.ts";

/** `count` tasks that come at the same time and take as long as each other. */
export type Burst = {
  atMs: number;
  count: number;
  durationMs: number;
  /** it comes when all before it has ended, whenever that is */
  chained?: true;
};

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
  /** what decisions may know of starts and run times; `nothing` for comparison */
  knows?: "all" | "nothing";
  /** which block with room gets the next task */
  placement?: "pack" | "spread";
};

export type Simulation = Utilisation & {
  samples: Sample[];
  blocksStarted: number;
  /** tasks that had ended when it stopped */
  ended: number;
  /** from submission to start, over all tasks that started */
  meanWaitMs: number;
  decisions: { at: number; start: number; stop: number; blocks: number }[];
};

const CLASS = resourceClass(DEFAULT_RESOURCES);
/** What each observation weighs in the mean run time, as in the agent. */
const WEIGHT = 0.1;

/** Runs the model until all tasks have ended and no block is left beyond the least. */
export function simulate(options: SimulationOptions): Simulation {
  const { policy, node, stepMs, knows = "all", placement = "pack", walltimeMs } = options;
  const load = loadOf(options.load);
  const workers = tasksPerBlock(CLASS, { node, policy });
  const memory = createScalerMemory(0);
  const waiting: ModelTask[] = [];
  const all: ModelTask[] = [];
  const past: ModelBlock[] = [];
  let blocks: ModelBlock[] = [];
  const decisions: Simulation["decisions"] = [];
  let run: RunTime | undefined;
  let started = 0;
  let ended = 0;
  let next = 0;
  let now = 0;

  const end = (gone: readonly ModelBlock[]) => {
    for (const block of gone) {
      block.goneAt = now;
      // What its end cuts off waits again, first in line.
      for (const task of block.running) if (task.endedAt > now) waiting.unshift(task);
      past.push(block);
    }
    if (gone.length > 0) blocks = blocks.filter((block) => !gone.includes(block));
  };
  const observe = ({ durationMs }: ModelTask) => {
    ended++;
    const meanMs = run === undefined ? durationMs : run.meanMs + WEIGHT * (durationMs - run.meanMs);
    run = { meanMs, roomMs: meanMs };
  };

  for (; now <= options.limitMs; now += stepMs) {
    for (const block of blocks) {
      if (!block.up && block.upAt <= now) {
        block.up = true;
        memory.started(block.upAt - block.askedAt);
      }
      for (const task of settle(block, now)) observe(task);
    }
    for (let coming = load[next]; coming && coming.atMs <= now && coming.after <= ended; coming = load[++next]) {
      const task = { submittedAt: now, durationMs: coming.durationMs, startedAt: now, endedAt: Infinity };
      all.push(task);
      waiting.push(task);
    }
    end(blocks.filter((block) => block.endsAt <= now || (block.drainsAt <= now && block.running.length === 0)));
    fill(blocks, { waiting, now, placement });
    const busy = blocks.reduce((sum, block) => sum + block.running.length, 0);
    const draining = blocks.reduce((sum, block) => sum + (block.drainsAt <= now ? block.running.length : 0), 0);
    const here = waiting.length + busy;
    const seen = {
      now,
      demand: { [CLASS]: knows === "all" ? here - draining : here },
      node,
      begun: now > 0,
      blocks: blocks.map((block) => snapshotOf(block, now)),
    };
    const remembered = memory.look(seen, policy);
    // Formerly a pending block was patient for as long as anything was there.
    const known =
      knows === "all"
        ? { ...remembered, ...(run && { runs: { [CLASS]: run } }) }
        : { neededAt: here > 0 ? now : remembered.neededAt };
    const { start, stop } = decide({ ...seen, ...known }, policy);
    decisions.push({ at: now, start, stop: stop.length, blocks: blocks.length });
    if (stop.length > 0) end(blocks.filter(({ id }) => stop.includes(id)));
    for (let i = 0; i < start; i++) {
      const upAt = now + options.queueWaitMs(started);
      const endsAt = walltimeMs === null ? Infinity : upAt + walltimeMs;
      // As blocks do: a tenth of the walltime before its end, two minutes at most.
      const drainsAt = walltimeMs === null ? Infinity : endsAt - Math.min(120_000, walltimeMs / 10);
      const id = String(started++);
      blocks.push({
        id,
        askedAt: now,
        upAt,
        up: false,
        goneAt: Infinity,
        endsAt,
        drainsAt,
        workers,
        running: [],
        idleSince: null,
      });
    }
    if (next === load.length && here === 0 && blocks.length <= policy.minBlocks) break;
  }
  end(blocks);
  const samples = samplesOf(
    all.map((task) => ({ ...task, endedAt: Math.min(task.endedAt, now) })),
    past.map((block) => ({ ...block, upAt: Math.min(block.upAt, block.goneAt) })),
  );
  const makespanMs = Math.max(0, ...all.map((task) => Math.min(task.endedAt, now)));
  const waits = all
    .filter(({ endedAt }) => endedAt <= now)
    .map(({ submittedAt, startedAt }) => startedAt - submittedAt);
  const meanWaitMs = waits.reduce((sum, wait) => sum + wait, 0) / Math.max(1, waits.length);
  return { ...utilisationOf(samples, makespanMs), samples, blocksStarted: started, ended, meanWaitMs, decisions };
}

/** The tasks in the order in which they come; `after`: so many have ended before. */
function loadOf(bursts: readonly Burst[]): { atMs: number; durationMs: number; after: number }[] {
  let before = 0;
  return bursts
    .toSorted((a, b) => a.atMs - b.atMs)
    .flatMap(({ atMs, count, durationMs, chained }) => {
      const task = { atMs, durationMs, after: chained ? before : 0 };
      before += count;
      return Array.from({ length: count }, () => task);
    });
}

function snapshotOf(block: ModelBlock, now: number): BlockSnapshot {
  const state = block.upAt > now ? "pending" : block.drainsAt <= now ? "draining" : "running";
  const idleSince = state === "pending" ? block.askedAt : (block.idleSince ?? block.upAt);
  return {
    id: block.id,
    state,
    busy: block.running.length,
    idleSince: block.running.length > 0 ? null : idleSince,
    expiresAt: Number.isFinite(block.endsAt) ? block.endsAt : null,
  };
}
