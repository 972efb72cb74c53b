import { describe, expect, it } from "vitest";
import { createWorld, DAY_MS, type OpenStore, OWNER, type World } from "./world.ts";

export function retentionRules(open: OpenStore): void {
  describe("retention", () => {
    it("rule 3: what is finished goes 14 days after its end, with all that belonged to it", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ group: "g", retries: 1, retryDelayMs: 0 });
      await world.report([{ id, outcome: "failed", failure: { code: "USER_ERROR", message: "" }, out: "log" }]);
      await world.store.tick(10);
      await world.pop();
      await world.report([{ id, lease: 2, value: "x".repeat(5000) }]);
      world.clock.ms += 14 * DAY_MS - 1;
      expect((await world.store.retain(1000)).deleted).toBe(0);
      expect(await world.state(id)).toBe("succeeded");
      world.clock.ms += 2;
      expect((await world.store.retain(1000)).deleted).toBe(1);
      expect(await world.store.getTask(id, null)).toBeUndefined();
      expect(await world.store.attemptsOf(id)).toEqual([]);
      expect(await world.store.payloadOf(id, "result")).toBeUndefined();
      expect(await world.store.outputOf(id)).toBeUndefined();
      expect((await world.store.stats()).byState).toMatchObject({ succeeded: 0 });
      await world.store.retain(1000);
      expect((await world.store.listGroups(null, { limit: 9 })).items).toEqual([]);
      expect((await world.submit({ tasks: [{ id }] })).rejected).toMatchObject([{ code: "GONE" }]);
    });

    it("rule 3: not before the time in its id is as old: a late retry never runs twice", async () => {
      const world = await createWorld(open);
      const ahead = world.clock.ms + 5 * DAY_MS;
      const id = idAt(world, ahead);
      await world.submit({ tasks: [{ id }], pulls: [world.pull(1)] });
      await world.report([{ id, value: "1" }]);
      world.clock.ms += 14 * DAY_MS + 1;
      expect((await world.store.retain(1000)).deleted).toBe(0);
      expect((await world.submit({ tasks: [{ id }], pulls: [world.pull(1)] })).handouts).toEqual([]);
      world.clock.ms = ahead + 14 * DAY_MS + 2;
      expect((await world.store.retain(1000)).deleted).toBe(1);
      expect(await world.state(id)).toBeUndefined();
    });

    it("rule 3: not while an unfinished task names it", async () => {
      const world = await createWorld(open);
      const parent = await world.leased();
      await world.report([{ id: parent, value: "1" }]);
      const { ids } = await world.submit({ specs: [{ ttlMs: 100 * DAY_MS }], tasks: [{ retryOf: parent }] });
      world.clock.ms += 15 * DAY_MS;
      expect((await world.store.retain(1000)).deleted).toBe(0);
      expect(await world.state(parent)).toBe("succeeded");
      await world.store.cancel({ owner: OWNER, ids });
      world.clock.ms += DAY_MS;
      expect((await world.store.retain(1000)).deleted).toBe(1);
      expect(await world.state(parent)).toBeUndefined();
    });

    it("rule 3: what is unfinished never goes, however old", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ ttlMs: 300 * DAY_MS });
      await world.start(id);
      world.clock.ms += 200 * DAY_MS;
      expect((await world.store.retain(1000)).deleted).toBe(0);
      expect((await world.report([{ id, value: "1" }])).superseded).toBe(0);
    });

    it("rule 24: retention deletes in portions", async () => {
      const world = await createWorld(open);
      for (let i = 0; i < 3; i++) await finished(world, 600);
      world.clock.ms += 15 * DAY_MS;
      const portions: number[] = [];
      for (let deleted = -1; deleted !== 0; portions.push(deleted)) deleted = (await world.store.retain(1000)).deleted;
      expect(Math.max(...portions)).toBeLessThanOrEqual(1512);
      expect(portions.reduce((sum, n) => sum + n, 0)).toBe(1800);
      expect(portions.length).toBeGreaterThan(2);
    });

    it("a spec that goes takes nothing with it that still has tasks, and comes back when it is used again", async () => {
      const world = await createWorld(open);
      await finished(world, 3);
      world.clock.ms += 15 * DAY_MS;
      await world.store.retain(10);
      const [late] = await Promise.all([world.submit({ tasks: [{}] }), world.store.retain(10), world.store.retain(10)]);
      expect(late.rejected).toEqual([]);
      expect((await world.pop()).map((task) => task.id)).toEqual(late.ids);
      await world.reopen();
      expect(await world.store.getTask(late.ids[0] as string, OWNER)).toMatchObject({ state: "leased" });
    });
  });
}

async function finished(world: World, count: number): Promise<void> {
  const { ids } = await world.submit({ tasks: Array.from({ length: count }, () => ({})), pulls: [world.pull(count)] });
  await world.report(ids.map((id) => ({ id, value: "1" })));
}

/** An id that carries this time, as from a client whose clock is ahead. */
function idAt(world: World, ms: number): string {
  const time = ms.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${world.newId().slice(13)}`;
}
