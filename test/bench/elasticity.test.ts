import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drawTimeline } from "../../bench/elasticity/draw.ts";
import { blocksOf } from "../../bench/elasticity/pool.ts";
import { type SimulationOptions, simulate } from "../../bench/elasticity/simulate.ts";
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
    const log = [
      "Warning: not JSON",
      JSON.stringify({ time: 5, msg: "block submitted", block: "a" }),
      JSON.stringify({ time: 9, msg: "block ended", block: "a" }),
      JSON.stringify({ time: 10, msg: "block submitted", block: "b" }),
    ].join("\n");
    expect(blocksOf(log)).toEqual([
      { block: "a", from: 5, to: 9 },
      { block: "b", from: 10, to: Number.POSITIVE_INFINITY },
    ]);
  });

  it("is drawn as one SVG with a curve for each count, whatever its title says", () => {
    const svg = drawTimeline(simulate(BASE).samples, '<a & "b">');
    expect(svg).toMatch(/^<svg [^>]+>/);
    expect(svg.match(/<path /g)).toHaveLength(5);
    expect(svg).not.toContain("<a &");
    expect(svg).not.toContain("NaN");
  });
});
