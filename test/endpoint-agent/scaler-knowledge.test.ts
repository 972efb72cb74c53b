import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BlockSnapshot, decide, idleTimeMs, type Policy, type Snapshot } from "../../endpoint-agent/scaler.ts";
import { createScalerMemory } from "../../endpoint-agent/scaler-memory.ts";

const NODE = { cores: 4, memoryMb: 8_192, gpus: 0 };
const CLASS = "1c0m0g";
const NOW = 1_000_000;
const POLICY: Policy = {
  initBlocks: 0,
  minBlocks: 0,
  maxBlocks: 10,
  nodesPerBlock: 1,
  workersPerNode: 4,
  parallelism: 1,
  maxIdleTimeMs: 60_000,
};

const busy = (id: string, tasks = 4): BlockSnapshot => ({
  id,
  state: "running",
  busy: tasks,
  idleSince: null,
  expiresAt: null,
});
const idle = (id: string, expiresAt: number | null = null): BlockSnapshot => ({
  id,
  state: "running",
  busy: 0,
  idleSince: NOW,
  expiresAt,
});
const pending = (id: string, askedAt: number): BlockSnapshot => ({
  id,
  state: "pending",
  busy: 0,
  idleSince: askedAt,
  expiresAt: null,
});
const seen = (more: Partial<Snapshot>): Snapshot => ({
  now: NOW,
  demand: {},
  node: NODE,
  begun: true,
  blocks: [],
  ...more,
});

const knowing = fc.record({
  demand: fc.dictionary(fc.constantFrom(CLASS, "2c0m0g"), fc.integer({ min: 1, max: 100 }), { maxKeys: 2 }),
  startMs: fc.option(fc.integer({ min: 0, max: 500_000 }), { nil: undefined }),
  runs: fc.dictionary(
    fc.constantFrom(CLASS, "2c0m0g"),
    fc.record({ meanMs: fc.integer({ min: 0, max: 200_000 }), roomMs: fc.integer({ min: 0, max: 200_000 }) }),
  ),
  waitingSince: fc.option(fc.integer({ min: 0, max: NOW }), { nil: undefined }),
  neededAt: fc.option(fc.integer({ min: 0, max: NOW }), { nil: undefined }),
  blocks: fc
    .array(
      fc.record({
        state: fc.constantFrom("pending" as const, "running" as const, "draining" as const),
        busy: fc.integer({ min: 0, max: 3 }),
        idleFor: fc.integer({ min: 0, max: 200_000 }),
        expiresAt: fc.option(fc.integer({ min: NOW, max: NOW + 600_000 }), { nil: null }),
      }),
      { maxLength: 10 },
    )
    .map((all) =>
      all.map(({ idleFor, ...block }, i) => {
        const tasks = block.state === "pending" ? 0 : block.busy;
        return { ...block, busy: tasks, id: `b${i}`, idleSince: tasks > 0 ? null : NOW - idleFor };
      }),
    ),
});
const policies = fc
  .record({
    minBlocks: fc.integer({ min: 0, max: 10 }),
    minIdleTimeMs: fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: undefined }),
    walltimeMs: fc.option(fc.integer({ min: 1, max: 600_000 }), { nil: undefined }),
  })
  .map((more) => ({ ...POLICY, ...more }));

describe("the scaler, knowing how long starts and tasks take", () => {
  it("stays within its bounds and never stops what is busy, whatever it knows", () => {
    fc.assert(
      fc.property(knowing, policies, (known, policy) => {
        const { start, stop } = decide(seen(known), policy);
        const alive = known.blocks.filter(({ state }) => state !== "draining").length;
        expect(known.blocks.length + start).toBeLessThanOrEqual(policy.maxBlocks);
        expect(start).toBeGreaterThanOrEqual(0);
        expect(new Set(stop).size).toBe(stop.length);
        if (stop.length > 0) expect(alive - stop.length).toBeGreaterThanOrEqual(policy.minBlocks);
        for (const id of stop) {
          expect(known.blocks.find((block) => block.id === id)).toMatchObject({ busy: 0 });
        }
      }),
    );
  });

  it("wants no fewer blocks for more tasks", () => {
    fc.assert(
      fc.property(knowing, policies, fc.integer({ min: 1, max: 50 }), (known, policy, more) => {
        const [classKey = CLASS] = Object.keys(known.demand);
        if (known.demand[classKey] === undefined) return;
        const before = decide(seen(known), policy);
        const after = decide(
          seen({ ...known, demand: { ...known.demand, [classKey]: known.demand[classKey] + more } }),
          policy,
        );
        expect(after.start).toBeGreaterThanOrEqual(before.start);
        expect(after.stop.length).toBeLessThanOrEqual(before.stop.length);
      }),
    );
  });

  it("asks for no block that could start only after the work is done", () => {
    const now = { demand: { [CLASS]: 40 }, blocks: [busy("a")], runs: { [CLASS]: { meanMs: 1_000, roomMs: 1_000 } } };
    // 40 seconds of work on 4 workers are done in ten.
    expect(decide(seen({ ...now, startMs: 11_000 }), POLICY).start).toBe(0);
    // Half of it is left after five: 20 tasks fill 5 blocks, and one is there.
    expect(decide(seen({ ...now, startMs: 5_000 }), POLICY).start).toBe(4);
    expect(decide(seen({ ...now, startMs: undefined }), POLICY).start).toBe(9);
    expect(decide(seen({ ...now, startMs: 11_000, runs: {} }), POLICY).start).toBe(9);
    expect(decide(seen({ ...now, startMs: 11_000, blocks: [] }), POLICY).start).toBe(10);
  });

  it("asks for it all the same when tasks have waited for as long as a start takes: what was known is wrong", () => {
    const runs = { [CLASS]: { meanMs: 1, roomMs: 1 } };
    const now = { demand: { [CLASS]: 40 }, blocks: [busy("a")], runs, startMs: 11_000 };
    expect(decide(seen({ ...now, waitingSince: NOW - 10_999 }), POLICY).start).toBe(0);
    expect(decide(seen({ ...now, waitingSince: NOW - 11_000 }), POLICY).start).toBe(9);
  });

  it("keeps an idle block for as long as a new one takes to start, between the two times of its policy", () => {
    expect(idleTimeMs({ startMs: 5_000 }, POLICY)).toBe(60_000);
    const adapted = { ...POLICY, minIdleTimeMs: 2_000 };
    expect(idleTimeMs({ startMs: 5_000 }, adapted)).toBe(5_000);
    expect(idleTimeMs({ startMs: 1 }, adapted)).toBe(2_000);
    expect(idleTimeMs({ startMs: 7_200_000 }, adapted)).toBe(60_000);
    expect(idleTimeMs({ startMs: undefined }, adapted)).toBe(60_000);
  });

  it("replaces an idle block that has too little time left for all that waits, if a new one has enough", () => {
    const now = {
      demand: { [CLASS]: 4 },
      blocks: [idle("old", NOW + 50_000)],
      runs: { [CLASS]: { meanMs: 60_000, roomMs: 60_000 } },
    };
    expect(decide(seen(now), { ...POLICY, walltimeMs: 300_000 })).toEqual({ start: 1, stop: ["old"] });
    expect(decide(seen(now), { ...POLICY, walltimeMs: 60_000 }).stop).toEqual([]);
    // One of minBlocks goes when the new one is there.
    const kept = { ...POLICY, walltimeMs: 300_000, minBlocks: 1 };
    expect(decide(seen(now), kept)).toEqual({ start: 1, stop: [] });
    expect(decide(seen({ ...now, blocks: [...now.blocks, pending("new", NOW)] }), kept)).toEqual({
      start: 0,
      stop: ["old"],
    });
    expect(decide(seen({ ...now, blocks: [busy("old", 1)] }), { ...POLICY, walltimeMs: 300_000 }).stop).toEqual([]);
    expect(
      decide(seen({ ...now, demand: { ...now.demand, "2c0m0g": 1 } }), { ...POLICY, walltimeMs: 300_000 }).stop,
    ).toEqual([]);
  });

  it("lets pending blocks go before those that run, once what runs has been enough for long", () => {
    const blocks = [busy("a", 1), pending("b", NOW - 100_000), pending("c", NOW - 200_000)];
    const now = { demand: { [CLASS]: 1 }, blocks };
    expect(decide(seen({ ...now, neededAt: NOW - 59_999 }), POLICY).stop).toEqual([]);
    expect(decide(seen({ ...now, neededAt: NOW - 60_000 }), POLICY).stop).toEqual(["c", "b"]);
  });
});

describe("what the scaler remembers", () => {
  const look = (memory: ReturnType<typeof createScalerMemory>, more: Partial<Snapshot>) =>
    memory.look(seen(more), POLICY);

  it("is the middle one of the last starts, or how long a block is pending if that is longer", () => {
    const memory = createScalerMemory(0);
    expect(look(memory, { blocks: [pending("a", 0)] }).startMs).toBeUndefined();
    for (const ms of [900_000, 1, 3, 2, 5, 4, 900_000, 6]) memory.started(ms);
    expect(look(memory, {}).startMs).toBe(4);
    expect(look(memory, { blocks: [pending("a", NOW - 70)] }).startMs).toBe(70);
  });

  it("is since when tasks have waited, and when the blocks that run were last too few", () => {
    const memory = createScalerMemory(5);
    expect(look(memory, { demand: { [CLASS]: 4 }, blocks: [busy("a")] })).toMatchObject({ neededAt: 5 });
    expect(look(memory, { now: 10, demand: { [CLASS]: 5 }, blocks: [busy("a")] })).toMatchObject({
      neededAt: 10,
      waitingSince: 10,
    });
    expect(look(memory, { now: 20, demand: { [CLASS]: 5 }, blocks: [busy("a"), idle("b")] })).toMatchObject({
      neededAt: 10,
      waitingSince: 10,
    });
    expect(look(memory, { now: 30, demand: { [CLASS]: 4 }, blocks: [busy("a")] }).waitingSince).toBeUndefined();
    // Demand does not count what runs in a block that drains.
    const drains = { ...busy("a"), state: "draining" as const };
    expect(look(memory, { now: 40, demand: { [CLASS]: 1 }, blocks: [drains] }).waitingSince).toBe(40);
  });
});
