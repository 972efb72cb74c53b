/** Loads that differ from each other, and what the batch system does to them: no rule of the scaler may suit one alone. */
import { type Burst, type Simulation, type SimulationOptions, simulate } from "./simulate.ts";
import { bursts } from "./workflow.ts";

export type Trace = Pick<SimulationOptions, "load" | "queueWaitMs" | "walltimeMs" | "stepMs"> & {
  name: string;
  what: string;
  maxBlocks: number;
  workersPerNode: number;
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** All traces; the same at every call. */
export function traces(): Trace[] {
  const random = randomNumbers(19);
  const spread = (mean: number) => -Math.log(1 - random()) * mean;
  const steady = (options: { everyMs: number; forMs: number; durationMs(): number; count?: () => number }): Burst[] => {
    const load: Burst[] = [];
    for (let atMs = 0; atMs < options.forMs; atMs += spread(options.everyMs)) {
      load.push({
        atMs: Math.round(atMs),
        count: options.count?.() ?? 1,
        durationMs: Math.round(options.durationMs()) + 1,
      });
    }
    return load;
  };
  const small = { maxBlocks: 10, workersPerNode: 2, walltimeMs: null, stepMs: 500 };
  const large = { maxBlocks: 20, workersPerNode: 8, walltimeMs: null, stepMs: 1_000 };
  const about = (ms: number) => {
    const waits = Array.from({ length: 64 }, () => Math.round(ms * (0.5 + random())));
    return (block: number) => waits[block % waits.length] as number;
  };
  return [
    {
      name: "hpdc19",
      what: "20, 1, 20, 1 tasks; starts in 2 s",
      load: bursts(1),
      queueWaitMs: () => 2 * SECOND,
      ...small,
    },
    {
      name: "hpdc19-queue",
      what: "the same; starts in half a minute",
      load: bursts(1),
      queueWaitMs: about(30 * SECOND),
      ...small,
    },
    {
      name: "bursty",
      what: "up to 200 tasks of 20 s at once, every 10 min",
      load: steady({
        everyMs: 10 * MINUTE,
        forMs: 4 * HOUR,
        durationMs: () => 20 * SECOND,
        count: () => Math.ceil(random() * 200),
      }),
      queueWaitMs: about(30 * SECOND),
      ...large,
    },
    {
      name: "diurnal",
      what: "a day: 8 to 120 workers' worth of 1 min tasks",
      load: Array.from({ length: 24 * 60 }, (_, minute) => ({
        atMs: minute * MINUTE,
        count: Math.round((64 - 56 * Math.cos((minute / 1440) * 2 * Math.PI)) * (0.5 + random())),
        durationMs: MINUTE,
      })),
      queueWaitMs: about(2 * MINUTE),
      ...large,
      stepMs: 5_000,
    },
    {
      name: "long tail",
      what: "300 tasks at once, most 1 min, few 1 h",
      load: Array.from({ length: 300 }, () => ({
        atMs: 0,
        count: 1,
        durationMs: Math.min(HOUR, Math.round(MINUTE / (1 - random()) ** 0.8)),
      })),
      queueWaitMs: about(MINUTE),
      ...large,
    },
    {
      name: "trickle",
      what: "a wave of 160, then one 5 s task a second",
      load: [
        { atMs: 0, count: 160, durationMs: 5 * MINUTE },
        ...steady({ everyMs: SECOND, forMs: HOUR, durationMs: () => 5 * SECOND }),
      ],
      queueWaitMs: about(30 * SECOND),
      ...large,
    },
    {
      name: "long queue",
      what: "60 tasks of 10 s every 20 min; starts in 2 h",
      load: Array.from({ length: 18 }, (_, i) => ({ atMs: i * 20 * MINUTE, count: 60, durationMs: 10 * SECOND })),
      queueWaitMs: about(2 * HOUR),
      ...large,
    },
    {
      name: "short work",
      what: "8 tasks of 10 s every 90 s, later 60; starts in 1 h",
      load: Array.from({ length: 200 }, (_, i) => ({
        atMs: i * 90 * SECOND,
        count: i < 60 ? 8 : 60,
        durationMs: 10 * SECOND,
      })),
      queueWaitMs: about(HOUR),
      ...large,
    },
    {
      name: "walltime",
      what: "400 tasks of 8 min; blocks live 30 min",
      load: [
        { atMs: 0, count: 2, durationMs: 8 * MINUTE },
        { atMs: 10 * MINUTE, count: 400, durationMs: 8 * MINUTE },
      ],
      queueWaitMs: about(2 * MINUTE),
      ...large,
      walltimeMs: 30 * MINUTE,
    },
  ];
}

/** `before`: decisions know nothing of starts and run times, and tasks spread; `adapted`: with minIdleTimeMs 0. */
export type Rules = "before" | "after" | "adapted" | "fixed";

/** The trace with the rules as they are, with those before them, or on a pool that stands for the whole time. */
export function replay(trace: Trace, rules: Rules): Simulation {
  const { maxBlocks, workersPerNode, walltimeMs } = trace;
  const policy = {
    initBlocks: 0,
    minBlocks: 0,
    maxBlocks,
    nodesPerBlock: 1,
    workersPerNode,
    parallelism: 1,
    maxIdleTimeMs: 2 * MINUTE,
    ...(walltimeMs !== null && { walltimeMs }),
  };
  const options = { ...trace, policy, node: { cores: workersPerNode, memoryMb: 8_192, gpus: 0 }, limitMs: 72 * HOUR };
  switch (rules) {
    case "before":
      return simulate({ ...options, knows: "nothing", placement: "spread" });
    case "after":
      return simulate(options);
    case "adapted":
      return simulate({ ...options, policy: { ...policy, minIdleTimeMs: 0 } });
    case "fixed": {
      const standing = { ...policy, initBlocks: maxBlocks, minBlocks: maxBlocks };
      return simulate({ ...options, policy: standing, queueWaitMs: () => 0, walltimeMs: null });
    }
  }
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
