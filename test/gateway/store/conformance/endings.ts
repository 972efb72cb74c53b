import { describe, expect, it } from "vitest";
import type { Effects } from "../../../../gateway/store/port.ts";
import { createWorld, DAY_MS, FUNCTION, type OpenStore, OWNER, putFunction } from "./world.ts";

export function endingRules(open: OpenStore): void {
  describe("ends that the gateway decides", () => {
    it("rule 12: a cancel ends what waits at once, and names the leases to kill", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}, {}, {}], pulls: [world.pull(3)] });
      const [leased, running, finished, queued] = ids as [string, string, string, string];
      await world.start(running);
      await world.report([{ id: finished, value: "1" }]);
      const output = await world.store.cancel({ owner: OWNER, ids: [...ids, world.newId()] });
      expect(output).toMatchObject({ cancelled: [leased, running, queued], alreadyFinished: 1, notFound: 1 });
      const { endpoint, epoch } = world;
      expect(output.kills).toEqual([leased, running].map((id) => ({ endpoint, epoch, lease: [id, 1] })));
      expect(output.events.map(({ id, state }) => [id, state])).toEqual(
        [leased, running, queued].map((id) => [id, "cancelled"]),
      );
      expect(await world.pop()).toEqual([]);
      expect(await world.store.getTask(running, OWNER)).toMatchObject({
        state: "cancelled",
        failure: { code: "CANCELLED" },
      });
      expect(await world.store.attemptsOf(running)).toMatchObject([{ attempt: 1, reason: "CANCELLED" }]);
    });

    it("I9: nobody cancels another owner's tasks, nor learns of them", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}] });
      expect(await world.store.cancel({ owner: "bob", ids })).toMatchObject({ cancelled: [], notFound: 1 });
      expect(await world.store.cancel({ owner: "bob", all: true })).toMatchObject({ cancelled: [] });
      expect(await world.state(ids[0] as string)).toBe("queued");
    });

    it("a cancel by group, function or endpoint takes exactly those", async () => {
      const world = await createWorld(open);
      const other = "e".repeat(64);
      await putFunction(world.store, OWNER, other, "other");
      const second = world.newId();
      await world.store.putEndpoint({ id: second, name: "second", owner: OWNER, description: "" });
      const specs = [{}, { group: "g" }, { function: other }, { endpoint: second }, { group: "g", function: other }];
      const { ids } = await world.submit({ specs, tasks: specs.map((_, spec) => ({ spec })) });
      const cancelled = async (selection: object) =>
        (await world.store.cancel({ owner: OWNER, ...selection } as { owner: string; all: true })).cancelled;
      expect(await cancelled({ group: "g", function: other })).toEqual([ids[4]]);
      expect(await cancelled({ group: "g" })).toEqual([ids[1]]);
      expect(await cancelled({ function: "other" })).toEqual([ids[2]]);
      expect(await cancelled({ endpoint: "second" })).toEqual([ids[3]]);
      expect(await cancelled({ all: true })).toEqual([ids[0]]);
    });

    it("a cancel of many goes in slices, each told as it is committed", async () => {
      const world = await createWorld(open);
      const total = 6000;
      for (let i = 0; i < total; i += 1000) await world.submit({ tasks: Array.from({ length: 1000 }, () => ({})) });
      const slices: number[] = [];
      const output = await world.store.cancel({ owner: OWNER, all: true }, ({ events }) => slices.push(events.length));
      expect(output).toMatchObject({ count: total, cancelled: [], events: [] });
      expect(slices.length).toBeGreaterThan(1);
      expect(slices.reduce((sum, n) => sum + n, 0)).toBe(total);
      expect((await world.store.stats()).byState).toMatchObject({ queued: 0, cancelled: total });
    });

    it("G7: I2: of a cancel and a result exactly one wins, and the answers say which", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: Array.from({ length: 200 }, () => ({})), pulls: [world.pull(200)] });
      const races = ids.map(async (id, i) => {
        const cancel = () => world.store.cancel({ owner: OWNER, ids: [id] });
        const report = () => world.report([{ id, value: "1" }]);
        const [cancelling, reporting] = i % 2 ? [cancel(), report()] : [report(), cancel()].reverse();
        const [{ cancelled }, { superseded }] = (await Promise.all([cancelling, reporting])) as [
          Awaited<ReturnType<typeof cancel>>,
          Awaited<ReturnType<typeof report>>,
        ];
        const state = await world.state(id);
        expect([state, cancelled.length, superseded]).toEqual(
          state === "cancelled" ? ["cancelled", 1, 1] : ["succeeded", 0, 0],
        );
        return state;
      });
      const states = await Promise.all(races);
      expect(new Set(states)).toEqual(new Set(["cancelled", "succeeded"]));
    });

    it("rule 12: G11: what is over its time to live ends expired, wherever it is", async () => {
      const world = await createWorld(open);
      const specs = [{ ttlMs: 1000 }, { ttlMs: 1000, retries: 1, retryDelayMs: 5000 }, { ttlMs: 2000 }];
      const { ids } = await world.submit({
        specs,
        tasks: [0, 0, 1, 2, 0].map((spec) => ({ spec })),
        pulls: [world.pull(4)],
      });
      const [leased, running, waiting, longer, queued] = ids as [string, string, string, string, string];
      await world.start(running);
      await world.report([{ id: waiting, outcome: "failed", failure: { code: "USER_ERROR", message: "boom" } }]);
      world.clock.ms += 999;
      expect((await world.store.tick(100)).events).toEqual([]);
      world.clock.ms += 1;
      const { events, kills, more } = await world.store.tick(100);
      expect(events.map(({ id, state }) => [id, state])).toEqual(
        [leased, running, waiting, queued].map((id) => [id, "expired"]),
      );
      expect(kills.map((kill) => kill.lease)).toEqual([
        [leased, 1],
        [running, 1],
      ]);
      expect(more).toBe(false);
      expect(await world.state(longer)).toBe("leased");
      expect(await world.store.getTask(queued, OWNER)).toMatchObject({ failure: { code: "EXPIRED" } });
    });

    it("the default time to live is 14 days, and a tick does no more than it may", async () => {
      const world = await createWorld(open);
      await world.submit({ tasks: Array.from({ length: 25 }, () => ({})) });
      world.clock.ms += 14 * DAY_MS;
      expect(await world.store.tick(20)).toMatchObject({ more: true, events: { length: 20 } });
      expect(await world.store.tick(20)).toMatchObject({ more: false, events: { length: 5 } });
    });

    it("G10: tasks of a deleted function that have not started fail, those that run go on", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      const his = await world.submit({ owner: "bob", tasks: [{}] });
      const { ids } = await world.submit({ tasks: [{}, {}, {}] });
      const [running, leased, queued] = ids as [string, string, string];
      await world.pop(3);
      await world.start(running);
      const output = await world.store.deleteFunction(FUNCTION, OWNER);
      expect(output.deleted).toBe(true);
      expect(output.events.map(({ id, state, failure }) => [id, state, failure?.code])).toEqual([
        [leased, "failed", "FUNCTION_GONE"],
        [queued, "failed", "FUNCTION_GONE"],
      ]);
      expect(output.kills).toMatchObject([{ lease: [leased, 1] }]);
      expect(await world.state(running)).toBe("running");
      expect(await world.state(his.ids[0] as string)).toBe("leased");
      expect((await world.submit({ tasks: [{}] })).rejected).toMatchObject([{ code: "FUNCTION_UNKNOWN" }]);
      expect(await world.store.functionCode(FUNCTION)).toBeDefined();
      expect((await world.store.deleteFunction(FUNCTION, OWNER)).deleted).toBe(false);
      expect((await world.store.deleteFunction(FUNCTION, null)).deleted).toBe(true);
      expect(await world.store.functionCode(FUNCTION)).toBeUndefined();
    });

    it("what the deletion of a function or an endpoint ends is handed over slice by slice", async () => {
      const world = await createWorld(open);
      const many = 3000;
      const deletions = [
        (onSlice: (effects: Effects) => void) => world.store.deleteFunction(FUNCTION, OWNER, onSlice),
        (onSlice: (effects: Effects) => void) => world.store.deleteEndpoint(world.endpoint, onSlice),
      ];
      for (const remove of deletions) {
        await world.submit({ tasks: Array.from({ length: many }, () => ({})) });
        const slices: number[] = [];
        expect(await remove(({ events }) => void slices.push(events.length))).toMatchObject({ events: [] });
        expect(slices.length).toBeGreaterThan(1);
        expect(slices.reduce((sum, n) => sum + n, 0)).toBe(many);
        await putFunction(world.store, OWNER, FUNCTION);
      }
    });

    it("a deleted endpoint's tasks are cancelled; its name is free again", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}], pulls: [world.pull(1)] });
      expect(await world.store.deleteEndpoint(world.endpoint)).toMatchObject({ cancelled: 2, events: { length: 2 } });
      expect(await world.store.getEndpoint(world.endpoint)).toBeUndefined();
      expect((await world.submit({ tasks: [{}] })).rejected).toMatchObject([{ code: "ENDPOINT_UNKNOWN" }]);
      expect((await world.report([{ id: ids[0] as string, value: "1" }])).superseded).toBe(1);
      expect(await world.store.getTask(ids[0] as string, OWNER)).toMatchObject({
        state: "cancelled",
        endpointName: "laptop",
      });
      await world.store.putEndpoint({ id: world.newId(), name: "laptop", owner: OWNER, description: "again" });
    });
  });
}
