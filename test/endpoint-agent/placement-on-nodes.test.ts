import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import type { Manager } from "../../endpoint-agent/manager.ts";
import { roomOnNodes } from "../../endpoint-agent/placement-on-nodes.ts";
import { createResourceClasses } from "../../endpoint-agent/resource-classes.ts";
import { blocksFor, tasksPerBlock } from "../../endpoint-agent/scaler.ts";
import { roomFor } from "../../endpoint-agent/window.ts";
import { testEntries, testManager, testSpec } from "./support.ts";

const NONE = new Uint8Array(0);
let keys = 0;
const spec = (nodes?: number) =>
  testSpec({ key: ++keys, resources: { cores: 1, memoryMb: 0, gpus: 0, ...(nodes && { nodes }) } });

function site(blocks: Record<string, number>) {
  const table = createTaskTable();
  const interchange = createInterchange(table);
  const managers: Manager[] = [];
  for (const [block, nodes] of Object.entries(blocks)) {
    for (let node = 0; node < nodes; node++) managers.push(testManager({ block, node, cores: 2 }));
  }
  for (const manager of managers) interchange.attach(manager);
  return {
    table,
    interchange,
    managers,
    submit(count: number, nodes?: number) {
      const entries = testEntries(count);
      interchange.accept({ specs: [spec(nodes)], tasks: entries }, NONE);
      interchange.pump();
      return entries.map(({ id }) => {
        const task = table.get(id);
        if (!task) throw new Error("the task is not there");
        return task;
      });
    },
    isWhole: () => managers.every((manager) => JSON.stringify(manager.free) === JSON.stringify(manager.capacity)),
  };
}

describe("tasks on several nodes", () => {
  it("are placed on whole nodes of one block, never on parts of two", () => {
    const { submit, isWhole, interchange } = site({ a: 1, b: 3 });
    const [two, three] = [...submit(1, 2), ...submit(1, 3)];
    expect(two?.manager?.hello.block).toBe("b");
    expect(two?.others.map(({ hello }) => [hello.block, hello.node])).toEqual([["b", 1]]);
    expect(three?.phase).toBe("queued");
    interchange.ended(two as never);
    interchange.pump();
    expect([three?.phase, three?.others.length]).toEqual(["placed", 2]);
    interchange.ended(three as never);
    expect(isWhole()).toBe(true);
  });

  it("do not wait for ever behind small ones: the nodes that are free first are kept for them", () => {
    const { submit, interchange } = site({ a: 2 });
    const small = submit(3);
    const [wide] = submit(1, 2);
    const later = submit(4);
    for (const task of small) interchange.ended(task);
    interchange.pump();
    expect(wide?.phase).toBe("placed");
    expect(later.every(({ phase }) => phase === "queued")).toBe(true);
  });

  it("give their nodes back when they return, or when their manager is lost", () => {
    const { submit, interchange, managers } = site({ a: 3 });
    const [task] = submit(1, 3);
    interchange.requeue(task?.manager as Manager, [[task?.id as string, 1]]);
    expect([task?.phase, task?.others.length]).toEqual(["queued", 0]);
    interchange.pump();
    const first = task?.manager as Manager;
    const lost = interchange.detach(first);
    expect(lost).toEqual([task]);
    for (const manager of managers) {
      if (manager !== first) expect([manager.free, manager.idleSince !== undefined]).toEqual([manager.capacity, true]);
    }
  });

  it("never share a node, whatever comes and ends in whatever order", () => {
    const steps = fc.array(fc.record({ nodes: fc.nat(4), end: fc.nat(5) }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }), steps, (sizes, todo) => {
        const blocks = Object.fromEntries(sizes.map((nodes, index) => [`b${index}`, nodes]));
        const { submit, interchange, managers, isWhole } = site(blocks);
        const all = todo.flatMap(({ nodes, end }) => {
          const tasks = submit(1, nodes === 0 ? undefined : nodes);
          for (const manager of [...managers].slice(0, end)) {
            const [first] = manager.tasks;
            if (first) interchange.ended(first);
          }
          interchange.pump();
          for (const manager of managers) {
            const { cores, places } = manager.free;
            expect(cores >= 0 && places >= 0).toBe(true);
            const wide = managers.flatMap((other) =>
              [...other.tasks].filter((task) => task.spec?.class.resources.nodes !== undefined),
            );
            const uses = wide.filter((task) => task.manager === manager || task.others.includes(manager)).length;
            expect(uses === 0 || (uses === 1 && manager.tasks.size <= 1)).toBe(true);
          }
          return tasks;
        });
        for (const task of all) if (task.phase === "placed") interchange.ended(task);
        interchange.takeQueued();
        expect(isWhole()).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("are counted by blocks: in the scaler, and in what is asked for", () => {
    const node = { cores: 4, memoryMb: 0, gpus: 0 };
    const policy = { initBlocks: 0, minBlocks: 0, maxBlocks: 9, nodesPerBlock: 5, workersPerNode: 4, parallelism: 1 };
    expect(tasksPerBlock("1c0m0g2n", { node, policy })).toBe(2);
    expect(tasksPerBlock("1c0m0g6n", { node, policy })).toBe(0);
    expect(tasksPerBlock("8c0m0g2n", { node, policy })).toBe(0);
    expect(blocksFor({ demand: { "1c0m0g2n": 5 }, node }, { ...policy, maxIdleTimeMs: 0 })).toBe(3);
    const { managers, submit } = site({ a: 3, b: 2 });
    expect(roomOnNodes(managers, 2)).toEqual({ live: 2, free: 2 });
    submit(1, 2);
    expect(roomOnNodes(managers, 2)).toEqual({ live: 2, free: 1 });
    const rest = { managers, classes: [], heldBytes: 0, recent: 0, closed: false, hopeless: false };
    expect(roomFor(createResourceClasses().of("1c0m0g2n"), rest).tasks).toBe(1);
  });

  it("are the only ones where one manager runs beside the nodes", () => {
    const node = { cores: 4, memoryMb: 0, gpus: 0, nodes: 5 };
    const policy = { nodesPerBlock: 5, workersPerNode: 4 };
    expect(tasksPerBlock("1c0m0g", { node, policy })).toBe(0);
    expect(tasksPerBlock("1c0m0g2n", { node, policy })).toBe(2);
  });
});
