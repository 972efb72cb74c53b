import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { demandOf } from "../../endpoint-agent/demand.ts";
import { adoptedTask, createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import type { Spreading } from "../../endpoint-agent/placement-packing.ts";
import { newTaskId, testEntries, testManager, testSpec } from "./support.ts";

/** An interchange with blocks of so many nodes of two workers. */
function setUp({ blocks, nodes = 1, how = "pack" }: { blocks: number; nodes?: number; how?: Spreading }) {
  const table = createTaskTable();
  const interchange = createInterchange(table, how);
  const managers = Array.from({ length: blocks * nodes }, (_, i) =>
    testManager({ block: `b${Math.floor(i / nodes)}`, node: i % nodes }),
  );
  for (const manager of managers) interchange.attach(manager);
  const give = (count: number) => {
    interchange.accept({ specs: [testSpec()], tasks: testEntries(count) }, new Uint8Array(0));
    interchange.pump();
  };
  return { interchange, managers, give, counts: () => managers.map(({ tasks }) => tasks.size) };
}

describe("placement on an elastic pool", () => {
  it("fills one block before the next while there are more workers than tasks, so that others empty", () => {
    const { give, counts } = setUp({ blocks: 4 });
    give(1);
    give(1);
    give(1);
    expect(counts()).toEqual([2, 1, 0, 0]);
  });

  it("gives the next task to the block that is busiest, not to the one that became free first", () => {
    const { interchange, managers, give, counts } = setUp({ blocks: 3 });
    give(5);
    const [first] = [...(managers[0]?.tasks ?? [])];
    const [second] = [...(managers[2]?.tasks ?? [])];
    for (const task of [first, ...(managers[0]?.tasks ?? []), second]) if (task) interchange.ended(task, 1_000);
    expect(counts()).toEqual([0, 2, 0]);
    give(1);
    expect(counts().toSorted()).toEqual([0, 1, 2]);
    give(1);
    expect(counts().toSorted()).toEqual([0, 2, 2]);
  });

  it("spreads over the nodes within a block", () => {
    const { give, counts } = setUp({ blocks: 2, nodes: 2 });
    give(2);
    expect(counts()).toEqual([1, 1, 0, 0]);
  });

  it("spreads over all managers of a pool that stands", () => {
    const { give, counts } = setUp({ blocks: 3, how: "spread" });
    give(3);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it("places as many tasks as spreading does, and none beyond a worker while another is free", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }),
        (blocks, batches) => {
          const packed = setUp({ blocks });
          const spread = setUp({ blocks, how: "spread" });
          for (const count of batches) {
            packed.give(count);
            spread.give(count);
          }
          const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
          expect(sum(packed.counts())).toBe(sum(spread.counts()));
          expect(Math.max(...packed.counts())).toBeLessThanOrEqual(2);
        },
      ),
    );
  });
});

describe("the demand for blocks", () => {
  it("leaves out what runs in a block that ends by itself", () => {
    const { interchange, managers, give } = setUp({ blocks: 1 });
    give(3);
    const [key = ""] = Object.keys(demandOf({}, interchange));
    expect(demandOf({}, interchange)).toEqual({ [key]: 3 });
    for (const manager of managers) {
      manager.draining = true;
      manager.tasks.add(adoptedTask([newTaskId(), 1], manager));
    }
    expect(demandOf({}, interchange)).toEqual({ [key]: 1 });
    expect(demandOf({}, interchange, { [key]: 3 })).toEqual({ [key]: 3 });
  });
});
