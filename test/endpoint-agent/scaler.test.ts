import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BlockSnapshot,
  blocksFor,
  decide,
  nextIdleEnd,
  type Policy,
  type Snapshot,
} from "../../endpoint-agent/scaler.ts";

const NODE = { cores: 4, memoryMb: 8_192, gpus: 1 };

const policies: fc.Arbitrary<Policy> = fc
  .record({
    maxBlocks: fc.integer({ min: 0, max: 20 }),
    min: fc.integer({ min: 0, max: 20 }),
    init: fc.integer({ min: 0, max: 20 }),
    nodesPerBlock: fc.integer({ min: 1, max: 4 }),
    workersPerNode: fc.integer({ min: 1, max: 8 }),
    parallelism: fc.double({ min: 0.01, max: 1, noNaN: true }),
    maxIdleTimeMs: fc.integer({ min: 0, max: 10_000 }),
  })
  .map(({ min, init, ...rest }) => ({
    ...rest,
    minBlocks: Math.min(min, rest.maxBlocks),
    initBlocks: Math.min(init, rest.maxBlocks),
  }));

const demands = fc.dictionary(
  fc.constantFrom("1c0m0g", "2c0m0g", "4c4096m0g", "1c0m1g", "8c0m0g"),
  fc.integer({ min: 0, max: 200 }),
  { maxKeys: 4 },
);

const blocksOf = (maxBlocks: number): fc.Arbitrary<BlockSnapshot[]> =>
  fc
    .array(
      fc.record({
        state: fc.constantFrom("pending" as const, "running" as const, "draining" as const),
        busy: fc.integer({ min: 0, max: 3 }),
        idleFor: fc.integer({ min: 0, max: 20_000 }),
        expiresAt: fc.option(fc.integer({ min: 0, max: 1_000_000 }), { nil: null }),
      }),
      { maxLength: maxBlocks },
    )
    .map((blocks) =>
      blocks.map(({ idleFor, ...block }, i) => ({
        ...block,
        id: `b${i}`,
        idleSince: block.busy > 0 ? null : 100_000 - idleFor,
      })),
    );

const situations = policies.chain((policy) =>
  fc.record({
    policy: fc.constant(policy),
    snapshot: fc.record({
      now: fc.constant(100_000),
      demand: demands,
      node: fc.constant(NODE),
      begun: fc.boolean(),
      blocks: blocksOf(policy.maxBlocks),
    }),
  }),
);

describe("the scaler", () => {
  it("never has more than maxBlocks, draining ones counted", () => {
    fc.assert(
      fc.property(situations, ({ snapshot, policy }) => {
        const { start } = decide(snapshot, policy);
        expect(start).toBeGreaterThanOrEqual(0);
        expect(snapshot.blocks.length + start).toBeLessThanOrEqual(policy.maxBlocks);
      }),
    );
  });

  it("never goes below minBlocks, and never stops a block that is busy, draining or idle for too short a time", () => {
    fc.assert(
      fc.property(situations, ({ snapshot, policy }) => {
        const { stop } = decide(snapshot, policy);
        expect(new Set(stop).size).toBe(stop.length);
        const alive = snapshot.blocks.filter((block) => block.state !== "draining").length;
        if (stop.length > 0) expect(alive - stop.length).toBeGreaterThanOrEqual(policy.minBlocks);
        for (const id of stop) {
          const block = snapshot.blocks.find((candidate) => candidate.id === id);
          expect(block).toMatchObject({ busy: 0, state: expect.not.stringMatching("draining") });
          expect(snapshot.now - (block?.idleSince ?? Number.NaN)).toBeGreaterThanOrEqual(policy.maxIdleTimeMs);
        }
      }),
    );
  });

  it("never starts and stops at once, and has nothing left to do after its decision", () => {
    fc.assert(
      fc.property(situations, ({ snapshot, policy }) => {
        const { start, stop } = decide(snapshot, policy);
        expect(Math.min(start, stop.length)).toBe(0);
        const started = Array.from({ length: start }, (_, i) => pending(`new${i}`, snapshot.now));
        const kept = snapshot.blocks.filter((block) => !stop.includes(block.id));
        const next: Snapshot = { ...snapshot, begun: true, blocks: [...kept, ...started] };
        // The first blocks are started once; afterwards the demand alone counts.
        if (!snapshot.begun && policy.initBlocks > 0) return;
        const again = decide(next, policy);
        expect(again.start).toBe(0);
        expect(again.stop.filter((id) => !id.startsWith("new"))).toEqual([]);
      }),
    );
  });

  it("does not oscillate under a constant load", () => {
    fc.assert(
      fc.property(policies, demands, (policy, demand) => {
        let blocks: BlockSnapshot[] = [];
        const counts: number[] = [];
        const needed = Math.min(
          policy.maxBlocks,
          Math.max(policy.minBlocks, blocksFor({ demand, node: NODE }, policy)),
        );
        for (let second = 0; second < 60; second++) {
          const now = second * 1_000;
          const { start, stop } = decide({ now, demand, node: NODE, begun: true, blocks }, policy);
          blocks = blocks.filter((block) => !stop.includes(block.id));
          for (let i = 0; i < start; i++) blocks.push(pending(`${second}-${i}`, now));
          // As many blocks as the demand fills are busy, the others are idle from their start.
          blocks = blocks.map((block, i) => ({
            ...block,
            state: "running",
            busy: i < needed ? 1 : 0,
            idleSince: i < needed ? null : (block.idleSince ?? now),
          }));
          counts.push(blocks.length);
        }
        expect(new Set(counts.slice(1)).size).toBeLessThanOrEqual(1);
        expect(counts.at(-1)).toBe(needed);
      }),
      { numRuns: 50 },
    );
  });

  it("lets idle blocks go after maxIdleTime, the ones that expire soonest first", () => {
    const policy = { ...BASE, maxBlocks: 4, minBlocks: 1, maxIdleTimeMs: 1_000 };
    const idle = (id: string, expiresAt: number | null): BlockSnapshot => ({
      id,
      state: "running",
      busy: 0,
      idleSince: 0,
      expiresAt,
    });
    const blocks = [idle("late", 900_000), idle("never", null), idle("soon", 50_000), idle("middle", 400_000)];
    expect(decide({ now: 999, demand: {}, node: NODE, begun: true, blocks }, policy).stop).toEqual([]);
    expect(decide({ now: 1_000, demand: {}, node: NODE, begun: true, blocks }, policy).stop).toEqual([
      "soon",
      "middle",
      "late",
    ]);
  });

  it("counts how many tasks of each class a block holds, scaled by parallelism", () => {
    const policy = { ...BASE, workersPerNode: 4, nodesPerBlock: 2 };
    // 8 one-core tasks, 4 of two cores, or 2 of three cores fit in a block of two nodes.
    expect(blocksFor({ demand: { "1c0m0g": 17 }, node: NODE }, policy)).toBe(3);
    expect(blocksFor({ demand: { "1c0m0g": 4, "2c0m0g": 2 }, node: NODE }, policy)).toBe(1);
    expect(blocksFor({ demand: { "3c0m0g": 5 }, node: NODE }, policy)).toBe(3);
    expect(blocksFor({ demand: { "1c4096m0g": 8 }, node: NODE }, policy)).toBe(2);
    expect(blocksFor({ demand: { "1c0m0g": 80 }, node: NODE }, { ...policy, parallelism: 0.1 })).toBe(1);
    // What no node can hold wants no block: the agent fails it.
    expect(blocksFor({ demand: { "8c0m0g": 5 }, node: NODE }, policy)).toBe(0);
  });

  it("starts initBlocks once, whatever waits", () => {
    const policy = { ...BASE, initBlocks: 3, maxBlocks: 5 };
    const snapshot: Snapshot = { now: 0, demand: {}, node: NODE, begun: false, blocks: [] };
    expect(decide(snapshot, policy).start).toBe(3);
    expect(decide({ ...snapshot, begun: true }, policy).start).toBe(0);
  });

  it("says when it has to look again: when the next idle block may be let go, and not before", () => {
    fc.assert(
      fc.property(situations, ({ snapshot, policy }) => {
        const next = nextIdleEnd(snapshot, policy);
        const idle = snapshot.blocks.filter(({ state, idleSince }) => state !== "draining" && idleSince !== null);
        const ends = idle.map(({ idleSince }) => (idleSince as number) + policy.maxIdleTimeMs);
        const due = ends.filter((at) => at > snapshot.now);
        expect(next).toBe(due.length === 0 ? undefined : Math.min(...due));
      }),
    );
  });
});

const BASE: Policy = {
  initBlocks: 0,
  minBlocks: 0,
  maxBlocks: 1,
  nodesPerBlock: 1,
  workersPerNode: 4,
  parallelism: 1,
  maxIdleTimeMs: 60_000,
};

function pending(id: string, now: number): BlockSnapshot {
  return { id, state: "pending", busy: 0, idleSince: now, expiresAt: null };
}
