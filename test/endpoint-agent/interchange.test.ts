import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import { shareOf } from "../../endpoint-agent/spec-state.ts";
import type { LeaseEntry } from "../../protocol/batch.ts";
import type { AgentToManager } from "../../protocol/manager-frames.ts";
import { type RecordedLink, testEntries, testManager, testSpec } from "./support.ts";

type Tasks = Extract<AgentToManager, { kind: "tasks" }>;

function setUp(...managers: ReturnType<typeof testManager>[]) {
  const table = createTaskTable();
  const interchange = createInterchange(table);
  for (const manager of managers) interchange.attach(manager);
  return { table, interchange };
}

function sentTo({ link }: { link: RecordedLink }): LeaseEntry[] {
  return link.sent.flatMap(({ frame }) => (frame.kind === "tasks" ? (frame as Tasks).tasks : []));
}

describe("the interchange", () => {
  it("packs cores, memory and GPUs of tasks of unknown duration exactly", () => {
    const resources = fc.record({
      cores: fc.integer({ min: 1, max: 4 }),
      memoryMb: fc.integer({ min: 0, max: 600 }),
      gpus: fc.integer({ min: 0, max: 2 }),
    });
    const steps = fc.array(fc.record({ needs: resources, count: fc.integer({ min: 1, max: 6 }), end: fc.nat(8) }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(steps, (rounds) => {
        const manager = testManager({ cores: 4, memoryMb: 1_000, gpus: 2, workers: 3 });
        const { table, interchange } = setUp(manager);
        let key = 0;
        for (const { needs, count, end } of rounds) {
          interchange.accept({ specs: [testSpec({ key: ++key, resources: needs })], tasks: testEntries(count) }, EMPTY);
          interchange.pump();
          const used = { cores: 0, memoryMb: 0, gpus: 0 };
          for (const task of manager.tasks) {
            used.cores += task.spec?.spec.resources?.cores ?? 0;
            used.memoryMb += task.spec?.spec.resources?.memoryMb ?? 0;
            used.gpus += task.spec?.spec.resources?.gpus ?? 0;
          }
          expect(manager.tasks.size).toBeLessThanOrEqual(3);
          expect(used.cores).toBeLessThanOrEqual(4);
          expect(used.memoryMb).toBeLessThanOrEqual(1_000);
          expect(used.gpus).toBeLessThanOrEqual(2);
          for (const task of [...manager.tasks].slice(0, end)) {
            interchange.ended(task);
            table.remove(task);
          }
        }
        for (const task of [...table.values()]) interchange.ended(task);
        expect(manager.free).toEqual(manager.capacity);
        for (const { queued, unfinished } of interchange.classes.all()) expect([queued, unfinished]).toEqual([0, 0]);
      }),
      { numRuns: 200 },
    );
  });

  it("gives the least loaded manager its tasks first, and shares a batch between idle ones", () => {
    const [first, second] = [testManager({ cores: 8 }), testManager({ cores: 8 })];
    const { interchange } = setUp(first, second);
    interchange.accept({ specs: [testSpec()], tasks: testEntries(8) }, EMPTY);
    interchange.pump();
    expect([first.tasks.size, second.tasks.size]).toEqual([4, 4]);
    for (const task of [...second.tasks]) interchange.ended(task);
    interchange.accept({ specs: [testSpec()], tasks: testEntries(1) }, EMPTY);
    interchange.pump();
    expect([first.tasks.size, second.tasks.size]).toEqual([4, 1]);
  });

  it("keeps more tasks of a short function at a manager than it runs, of a long one not", () => {
    const manager = testManager({ cores: 2 });
    const { interchange } = setUp(manager);
    const spec = testSpec();
    interchange.accept({ specs: [spec], tasks: testEntries(500) }, EMPTY);
    interchange.pump();
    expect(manager.tasks.size).toBe(2);
    for (const task of [...manager.tasks]) interchange.ended(task, 0.02);
    interchange.pump();
    expect(manager.tasks.size).toBe(256);
    for (const task of [...manager.tasks]) interchange.ended(task, 5_000);
    interchange.pump();
    expect(manager.tasks.size).toBe(2);
  });

  it("holds as many tasks as 10 ms of their time, twice, at most 128; one when unknown or at-most-once", () => {
    expect(shareOf(undefined, false)).toBe(1);
    expect(shareOf(0.01, true)).toBe(1);
    expect(shareOf(0.01, false)).toBe(128);
    expect(shareOf(1, false)).toBe(16);
    expect(shareOf(20, false)).toBe(2);
    expect(shareOf(1_000, false)).toBe(1);
  });

  it("places by priority, then by arrival, and keeps a gap free for a big task that came first", () => {
    const manager = testManager({ cores: 4 });
    const { interchange } = setUp(manager);
    interchange.accept({ specs: [testSpec({ key: 1 })], tasks: testEntries(2) }, EMPTY);
    interchange.pump();
    const big = testEntries(1);
    const small = testEntries(2);
    interchange.accept(
      { specs: [testSpec({ key: 2, resources: { cores: 4, memoryMb: 0, gpus: 0 } })], tasks: big },
      EMPTY,
    );
    interchange.accept({ specs: [testSpec({ key: 3 })], tasks: small }, EMPTY);
    const urgent = testEntries(1);
    interchange.accept({ specs: [testSpec({ key: 4, priority: 5 })], tasks: urgent }, EMPTY);
    interchange.pump();
    expect(sentTo(manager).slice(2)).toEqual([expect.objectContaining({ id: urgent[0]?.id })]);
    for (const task of [...manager.tasks]) interchange.ended(task);
    interchange.pump();
    expect(sentTo(manager).at(-1)?.id).toBe(big[0]?.id);
  });

  it("B4: starts nothing in a block that would end before the task does", () => {
    const ending = testManager({ cores: 4, remainingMs: 10_000 });
    ending.expiresAt = Number.MAX_SAFE_INTEGER;
    const { interchange } = setUp(ending);
    interchange.accept({ specs: [testSpec({ timeoutMs: 3_600_000 })], tasks: testEntries(1) }, EMPTY);
    interchange.pump();
    expect(ending.tasks.size).toBe(1);
    ending.expiresAt = 0;
    interchange.accept({ specs: [testSpec({ key: 2 })], tasks: testEntries(1) }, EMPTY);
    interchange.pump();
    expect(ending.tasks.size).toBe(1);
  });

  it("sends one frame a turn, with the distinct specs and the arguments' bytes in order", () => {
    const manager = testManager({ cores: 4 });
    const { interchange } = setUp(manager);
    const body = new Uint8Array([1, 1, 2, 2]);
    const tasks = testEntries(2, { length: 2 });
    (tasks[1] as LeaseEntry).spec = 1;
    interchange.accept({ specs: [testSpec({ key: 1 }), testSpec({ key: 2 })], tasks }, body);
    interchange.pump();
    expect(manager.link.sent).toHaveLength(1);
    const { frame, chunks } = manager.link.sent[0] as RecordedLink["sent"][number];
    expect((frame as Tasks).specs.map((spec) => spec.key)).toEqual([1, 2]);
    expect((frame as Tasks).tasks.map((task) => task.spec)).toEqual([0, 1]);
    expect(chunks.map((chunk) => [...chunk])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it("drops what is cancelled while it waits, and has the manager kill what it has", () => {
    const manager = testManager({ cores: 1 });
    const { interchange, table } = setUp(manager);
    const tasks = testEntries(3);
    interchange.accept({ specs: [testSpec()], tasks }, EMPTY);
    interchange.pump();
    interchange.cancel([...tasks.map(({ id }): [string, number] => [id, 1]), ["unknown", 1]]);
    expect(table.size).toBe(1);
    expect(manager.link.sent.at(-1)?.frame).toEqual({ kind: "cancel", leases: [[tasks[0]?.id, 1]] });
    interchange.pump();
    expect(sentTo(manager)).toHaveLength(1);
  });

  it("rule 7: does nothing to a task whose lease is another", () => {
    const manager = testManager({ cores: 1 });
    const { interchange, table } = setUp(manager);
    const tasks = testEntries(2, { lease: 3 });
    interchange.accept({ specs: [testSpec()], tasks }, EMPTY);
    interchange.pump();
    interchange.cancel(tasks.map(({ id }): [string, number] => [id, 2]));
    interchange.requeue(manager, [[tasks[0]?.id as string, 2]]);
    expect(table.size).toBe(2);
    expect(manager.tasks.size).toBe(1);
  });

  it("places what a manager gave back before everything else of its spec", () => {
    const manager = testManager({ cores: 1 });
    const { interchange } = setUp(manager);
    const tasks = testEntries(3, { length: 1 });
    interchange.accept({ specs: [testSpec()], tasks }, new Uint8Array([7, 8, 9]));
    interchange.pump();
    interchange.requeue(manager, [[tasks[0]?.id as string, 1]]);
    interchange.pump();
    const last = manager.link.sent.at(-1) as RecordedLink["sent"][number];
    expect((last.frame as Tasks).tasks[0]?.id).toBe(tasks[0]?.id);
    expect([...(last.chunks[0] ?? [])]).toEqual([7]);
  });
});

const EMPTY = new Uint8Array(0);
