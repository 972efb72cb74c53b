import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blockLives, slurmTimes } from "../../bench/elasticity/block-lives.ts";
import { drawTimeline } from "../../bench/elasticity/draw.ts";
import { poolOf } from "../../bench/elasticity/parsl.ts";
import { type SimulationOptions, simulate } from "../../bench/elasticity/simulate.ts";
import { splitOf } from "../../bench/elasticity/split.ts";
import { samplesOf, utilisationOf } from "../../bench/elasticity/timeline.ts";
import { bursts } from "../../bench/elasticity/workflow.ts";

const NODE = { cores: 2, memoryMb: 8_192, gpus: 0 };
const POLICY = {
  initBlocks: 0,
  minBlocks: 0,
  maxBlocks: 10,
  nodesPerBlock: 1,
  workersPerNode: 2,
  parallelism: 1,
  maxIdleTimeMs: 1_000,
};
const BASE: SimulationOptions = {
  load: bursts(1),
  policy: POLICY,
  node: NODE,
  queueWaitMs: () => 2_000,
  walltimeMs: null,
  stepMs: 500,
  limitMs: 3_600_000,
};

const loads = fc.array(
  fc.record({
    atMs: fc.integer({ min: 0, max: 100_000 }),
    count: fc.integer({ min: 1, max: 40 }),
    durationMs: fc.integer({ min: 1, max: 20_000 }),
  }),
  { minLength: 1, maxLength: 8 },
);
const policies = fc
  .record({
    maxBlocks: fc.integer({ min: 1, max: 12 }),
    min: fc.integer({ min: 0, max: 12 }),
    workersPerNode: fc.integer({ min: 1, max: 2 }),
    parallelism: fc.double({ min: 0.1, max: 1, noNaN: true }),
    maxIdleTimeMs: fc.integer({ min: 0, max: 30_000 }),
  })
  .map(({ min, ...rest }) => ({ ...POLICY, ...rest, minBlocks: Math.min(min, rest.maxBlocks) }));
const situations = fc.record({
  load: loads,
  policy: policies,
  waits: fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 5 }),
});

function run({ load, policy, waits }: { load: typeof BASE.load; policy: typeof POLICY; waits: number[] }) {
  return simulate({ ...BASE, load, policy, queueWaitMs: (block) => waits[block % waits.length] as number });
}

describe("the scaler on a model of a batch system", () => {
  it("ends every task, and never has more blocks than it may", () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const result = run(situation);
        expect(result.ended).toBe(situation.load.reduce((sum, { count }) => sum + count, 0));
        for (const { blocks, start } of result.decisions) {
          expect(blocks + start).toBeLessThanOrEqual(situation.policy.maxBlocks);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("never stops a block that is busy: without walltime no task runs twice", () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { workerMsUsed } = run(situation);
        const work = situation.load.reduce((sum, { count, durationMs }) => sum + count * durationMs, 0);
        expect(workerMsUsed).toBeCloseTo(work, 3);
      }),
      { numRuns: 50 },
    );
  });

  it("does not oscillate on constant load: once it has let a block go it starts none", () => {
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 24 }), (policy, width) => {
        const load = Array.from({ length: 50 }, (_, i) => ({ atMs: i * 1_000, count: width, durationMs: 1_000 }));
        // Less than one slot for a task lets work gather and be worked off again, as it was asked for.
        const steady = { ...policy, parallelism: 1, maxIdleTimeMs: 5_000 };
        const { decisions } = run({ load, policy: steady, waits: [0] });
        const during = decisions.filter(({ at }) => at <= 50_000);
        // What waited while the first blocks came may have asked for more than the load needs for long.
        const letGo = during.findIndex(({ stop }) => stop > 0);
        const later = letGo < 0 ? [] : during.slice(letGo);
        expect(later.reduce((sum, { start }) => sum + start, 0)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("scales 20, 1, 20 and 1 tasks out and in", () => {
    const result = simulate(BASE);
    expect(result.ended).toBe(42);
    expect(result.blocksStarted).toBeGreaterThan(10);
    expect(result.utilisation).toBeGreaterThan(0.9);
  });

  it("lets nothing start that its block's walltime would cut off", () => {
    const walltimeMs = 120_000;
    const { samples, ended, workerMsUsed } = simulate({ ...BASE, walltimeMs });
    expect(ended).toBe(42);
    expect(workerMsUsed).toBeCloseTo(4_100_000, 3);
    expect(samples.at(-1)?.blocks).toBe(0);
  });
});

describe("utilisation", () => {
  it("is the used share of the held worker time", () => {
    const samples = samplesOf(
      [{ submittedAt: 0, startedAt: 10, endedAt: 60 }],
      [{ askedAt: 0, upAt: 0, goneAt: 100, workers: 2 }],
    );
    expect(utilisationOf(samples, 60)).toEqual({
      utilisation: 0.25,
      makespanMs: 60,
      workerMsHeld: 200,
      workerMsUsed: 50,
    });
  });

  it("takes the lives of blocks from the agent's log", () => {
    const line = (time: number, msg: string, more: object) => JSON.stringify({ time, msg, ...more });
    const log = [
      "Warning: not JSON",
      line(5, "block submitted", { block: "a", job: "1" }),
      line(6, "manager connected", { block: "a", node: 0 }),
      line(7, "manager connected", { block: "a", node: 1 }),
      line(8, "block let go", { block: "a" }),
      line(9, "block ended", { block: "a" }),
      line(10, "block submitted", { block: "b", job: "2" }),
    ].join("\n");
    const never = Number.POSITIVE_INFINITY;
    expect(blockLives(log)).toEqual([
      { block: "a", job: "1", askedAt: 5, upAt: 6, letGoAt: 8, goneAt: 9 },
      { block: "b", job: "2", askedAt: 10, upAt: never, letGoAt: never, goneAt: never },
    ]);
  });

  it("takes from Slurm when a job held its nodes, whole seconds rounded up", () => {
    const line = "JobId=7 JobName=x StartTime=2026-01-02T03:04:05 EndTime=2026-01-02T03:04:09 Partition=debug";
    const { from = 0, to = 0 } = slurmTimes(`${line}\nJobId=8 StartTime=Unknown EndTime=Unknown`).get("7") ?? {};
    expect(to - from).toBe(5_000);
  });

  it("counts Parsl's blocks until the last result, if it has not ended them before", () => {
    const pool = poolOf({
      began: 100,
      ended: 110,
      tasks: [[101, 106]],
      blocks: [
        [99, 120],
        [101, 106],
      ],
    });
    expect(pool).toMatchObject({ makespanMs: 10_000, blocksStarted: 2, workerMsHeld: 30_000 });
    expect(pool.utilisation).toBeCloseTo(1 / 6);
  });
});

describe("the unused worker time", () => {
  it("is split without rest: starting, first task, partly used, between tasks, kept idle, ending", () => {
    const life = { block: "a", askedAt: 0, upAt: 10, letGoAt: 90, goneAt: 100 };
    const tasks = [
      { block: "a", startedAt: 20, endedAt: 40 },
      { block: "a", startedAt: 30, endedAt: 40 },
      { block: "a", startedAt: 50, endedAt: 70 },
    ];
    expect(splitOf(tasks, [life], { workers: 2, end: 200 })).toEqual({
      starting: 20,
      first_task: 20,
      partly_used: 30,
      between_tasks: 20,
      kept_idle: 40,
      ending: 20,
    });
  });

  it("is what is held less what is used, whatever the blocks and tasks", () => {
    const lives = fc.array(fc.array(fc.nat(100), { minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(lives, fc.integer({ min: 1, max: 120 }), (all, end) => {
        const blocks = all.map((numbers, i) => {
          const [askedAt = 0, upAt = 0, startedAt = 0, endedAt = 0, letGoAt = 0, goneAt = 0] = numbers.toSorted(
            (a, b) => a - b,
          );
          return {
            life: { block: String(i), askedAt, upAt, letGoAt, goneAt },
            task: { block: String(i), startedAt, endedAt },
          };
        });
        const split = splitOf(
          blocks.map(({ task }) => task),
          blocks.map(({ life }) => life),
          { workers: 2, end },
        );
        const until = (from: number, to: number) => Math.min(end, to) - Math.min(end, from);
        const held = blocks.reduce((sum, { life }) => sum + 2 * until(life.askedAt, life.goneAt), 0);
        const used = blocks.reduce((sum, { task }) => sum + until(task.startedAt, task.endedAt), 0);
        expect(Object.values(split).reduce((sum, ms) => sum + ms, 0)).toBe(held - used);
      }),
    );
  });
});

describe("a picture", () => {
  it("is drawn as one SVG with a curve for each count, whatever its title says", () => {
    const svg = drawTimeline(simulate(BASE).samples, '<a & "b">');
    expect(svg).toMatch(/^<svg [^>]+>/);
    expect(svg.match(/<path /g)).toHaveLength(12);
    expect(svg).not.toContain("<a &");
    expect(svg).not.toContain("NaN");
  });
});
