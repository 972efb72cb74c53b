import { describe, expect, it } from "vitest";
import { createWorld, type OpenStore, text } from "./world.ts";

const big = { cores: 4, memoryMb: 0, gpus: 0 };

export function queueRules(open: OpenStore): void {
  describe("queue", () => {
    it("rule 4: what waits is leased by priority, then time", async () => {
      const world = await createWorld(open);
      const specs = [{}, { priority: 5 }, { priority: -5 }];
      const { ids } = await world.submit({
        specs,
        tasks: [0, 1, 2, 0, 1, 2].map((spec) => ({ spec, args: `[${spec}]` })),
      });
      const [a, b, c, d, e, f] = ids;
      expect((await world.pop(3)).map((task) => task.id)).toEqual([b, e, a]);
      expect((await world.pop()).map((task) => task.id)).toEqual([d, c, f]);
    });

    it("rule 4: a synchronous match keeps to the order: nothing overtakes what waits", async () => {
      const world = await createWorld(open);
      const first = await world.submit({ tasks: [{}, {}] });
      const { ids, handouts, queued } = await world.submit({ tasks: [{}], pulls: [world.pull(2)] });
      expect(handouts.flatMap((handout) => handout.tasks.map((task) => task.id))).toEqual(first.ids);
      expect(queued).toEqual([world.endpoint]);
      expect((await world.pop()).map((task) => task.id)).toEqual(ids);
    });

    it("rule 4: a match of mixed priorities leases the highest first and queues the rest", async () => {
      const world = await createWorld(open);
      const specs = [{}, { priority: 5 }];
      const tasks = [{ args: "a" }, { spec: 1, args: "b" }, { args: "c" }, { spec: 1, args: "d" }];
      const { handouts, queued } = await world.submit({ specs, tasks, pulls: [world.pull(3)] });
      expect(handouts.map((handout) => text(handout.body))).toEqual(["bda"]);
      expect(queued).toEqual([world.endpoint]);
      expect((await world.store.pop([world.pull(9)])).handouts.map((handout) => text(handout.body))).toEqual(["c"]);
    });

    it("rule 4: when all fits, the hand-out is in the order of priority too", async () => {
      const world = await createWorld(open);
      const specs = [{}, { priority: 5 }];
      const tasks = [{ args: "a" }, { spec: 1, args: "b" }, { args: "c" }];
      const { handouts } = await world.submit({ specs, tasks, pulls: [world.pull(3)] });
      expect(text(handouts[0]?.body)).toBe("bac");
      expect(handouts[0]?.tasks.map((task) => handouts[0]?.specs[task.spec ?? 0]?.priority ?? 0)).toEqual([5, 0, 0]);
    });

    it("rule 4: credit counts tasks and bytes for each resource class", async () => {
      const world = await createWorld(open);
      await world.submit({
        specs: [{}, { resources: big }],
        tasks: [0, 1, 0, 1].map((spec) => ({ spec, args: "x".repeat(10) })),
      });
      const room = {
        "1c0m0g": { tasks: 9, bytes: 15 },
        "4c0m0g": { tasks: 1, bytes: 99 },
        "2c0m0g": { tasks: 9, bytes: 99 },
      };
      const { handouts } = await world.store.pop([{ ...world.pull(0), room }]);
      const [handout] = handouts;
      expect(handout?.tasks).toHaveLength(2);
      expect(handout?.tasks.map((task) => handout.classes[task.spec ?? 0])).toEqual(["1c0m0g", "4c0m0g"]);
      expect(await world.store.waiting(world.endpoint, 100)).toEqual({ "1c0m0g": 1, "4c0m0g": 1 });
    });

    it("rule 4: bytes bound a synchronous match as well, and nothing smaller slips past", async () => {
      const world = await createWorld(open);
      const tasks = [{ args: "x".repeat(10) }, { args: "y".repeat(10) }, { args: "z" }];
      const { handouts } = await world.submit({ tasks, pulls: [world.pull(9, { bytes: 15 })] });
      expect(handouts.map((handout) => text(handout.body))).toEqual(["x".repeat(10)]);
    });

    it("rule 6: what waits is counted by class, up to a bound", async () => {
      const world = await createWorld(open);
      expect(await world.store.waiting(world.endpoint, 5)).toEqual({});
      await world.submit({
        specs: [{}, { priority: 3 }, { resources: big }],
        tasks: [0, 0, 1, 1, 2].map((spec) => ({ spec })),
      });
      expect(await world.store.waiting(world.endpoint, 3)).toEqual({ "1c0m0g": 3, "4c0m0g": 1 });
      expect(await world.store.waiting(world.endpoint, 9)).toEqual({ "1c0m0g": 4, "4c0m0g": 1 });
    });

    it("rule 5: a newer pull ends the older one, which leases nothing more", async () => {
      const world = await createWorld(open);
      const { store, endpoint, epoch } = world;
      await world.submit({ tasks: [{}] });
      expect(await store.openPull(endpoint, epoch, 3)).toBe(true);
      expect(await store.openPull(endpoint, epoch, 2)).toBe(false);
      expect((await store.pop([world.pull(9)])).handouts).toEqual([]);
      expect((await store.pop([world.pull(9, { pull: 3 })])).handouts).toHaveLength(1);
    });

    it("rule 7: every hand-out counts up the lease", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      for (let lease = 1; lease <= 3; lease++) {
        await world.report([{ id, lease, outcome: "returned" }]);
        expect(await world.pop()).toMatchObject([{ id, lease: lease + 1, attempt: 0 }]);
      }
      expect(await world.store.getTask(id, null)).toMatchObject({ handOuts: 4, attempt: 0 });
    });

    it("a draining endpoint is handed nothing, until it is not draining", async () => {
      const world = await createWorld(open);
      await world.store.setDraining(world.endpoint, true);
      const { handouts } = await world.submit({ tasks: [{}], pulls: [world.pull(9)] });
      expect(handouts).toEqual([]);
      expect(await world.pop()).toEqual([]);
      await world.store.setDraining(world.endpoint, false);
      expect(await world.pop()).toHaveLength(1);
    });

    it("what is over its time to live is not handed out, even before anybody noticed", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ specs: [{ ttlMs: 100 }, {}], tasks: [{}, { spec: 1 }] });
      world.clock.ms += 100;
      expect((await world.pop()).map((task) => task.id)).toEqual([ids[1]]);
    });

    it("payloads of every size and encoding come out as they went in", async () => {
      const world = await createWorld(open);
      const sizes = [0, 1, 1024, 1025, 100_000, 262_144];
      const tasks = sizes.map((size, i) => ({ args: "abc".charAt(i % 3).repeat(size), encoding: "raw" as const }));
      const { ids } = await world.submit({ tasks });
      const { handouts } = await world.store.pop([world.pull(100)]);
      expect(handouts[0]?.tasks.map((task) => task.length)).toEqual(sizes);
      expect(text(handouts[0]?.body)).toBe(tasks.map((task) => task.args).join(""));
      for (const [i, id] of ids.entries()) {
        const payload = await world.store.payloadOf(id, "arguments");
        expect(payload).toMatchObject({ encoding: "raw", size: sizes[i], blob: null });
        expect(text(payload?.bytes)).toBe(tasks[i]?.args);
      }
    });
  });
}
