import { describe, expect, it } from "vitest";
import { createWorld, type OpenStore, OWNER, text } from "./world.ts";

export function restartRules(open: OpenStore): void {
  describe("restart", () => {
    it("I1: what was acknowledged is there after a restart, in its order and with its leases", async () => {
      const world = await createWorld(open);
      const { generation } = world.store;
      const specs = [{}, { priority: 3 }, { retries: 1, retryDelayMs: 50 }];
      const { ids } = await world.submit({
        specs,
        tasks: [0, 0, 2, 0, 1].map((spec, i) => ({ spec, args: `[${i}]` })),
      });
      const [a, b, c, d, e] = ids as [string, string, string, string, string];
      expect((await world.pop(4)).map((task) => task.id)).toEqual([e, a, b, c]);
      await world.report(
        [
          { id: c, outcome: "failed", failure: { code: "USER_ERROR", message: "" } },
          { id: e, value: "144" },
        ],
        { starts: [{ id: a, lease: 1 }] },
      );
      await world.reopen();
      const { store, endpoint } = world;
      expect(store.generation).toBe(generation);
      expect(await Promise.all([a, b, c, d, e].map(world.state))).toEqual([
        "running",
        "leased",
        "waiting",
        "queued",
        "succeeded",
      ]);
      expect(await store.leasesOf(endpoint, world.clock.ms + 1)).toEqual([
        [a, 1],
        [b, 1],
      ]);
      expect(await store.waiting(endpoint, 9)).toEqual({ "1c0m0g": 1 });
      expect(
        await world.report([
          { id: a, value: "1" },
          { id: b, lease: 2, value: "2" },
        ]),
      ).toMatchObject({ superseded: 1 });
      world.clock.ms += 50;
      await store.tick(10);
      const { handouts } = await store.pop([world.pull(9)]);
      expect(handouts[0]?.tasks).toMatchObject([
        { id: c, lease: 2, attempt: 1 },
        { id: d, lease: 1, attempt: 0 },
      ]);
      expect(text(handouts[0]?.body)).toBe("[2][3]");
      expect((await store.stats()).byState).toMatchObject({ succeeded: 2, leased: 3 });
    });

    it("limits count on after a restart", async () => {
      const world = await createWorld(open, { perOwner: { tasks: 3, bytes: 100 } });
      await world.submit({ tasks: [{ args: "x".repeat(50) }, { args: "x".repeat(40) }] });
      await world.reopen();
      await expect(world.submit({ tasks: [{ args: "x".repeat(11) }] })).rejects.toMatchObject({ code: "QUEUE_FULL" });
      await world.submit({ tasks: [{ args: "" }] });
      await expect(world.submit({ tasks: [{ args: "" }] })).rejects.toMatchObject({ code: "QUEUE_FULL" });
    });

    it("the epoch, the pull and draining survive a restart", async () => {
      const world = await createWorld(open);
      const { endpoint, epoch } = world;
      await world.store.openPull(endpoint, epoch, 5);
      await world.store.setDraining(endpoint, true);
      await world.reopen();
      expect(await world.store.epochOf(endpoint)).toBe(epoch);
      expect(await world.store.openPull(endpoint, epoch, 4)).toBe(false);
      expect(await world.store.getEndpoint(endpoint)).toMatchObject({ draining: true });
      await world.submit({ tasks: [{}] });
      expect((await world.store.pop([world.pull(9, { pull: 5 })])).handouts).toEqual([]);
    });

    it("calls that are on their way when the store closes are answered, later ones are refused", async () => {
      const world = await createWorld(open);
      const { store } = world;
      const submits = Array.from({ length: 20 }, () => world.submit({ tasks: [{}] }));
      const closing = store.close();
      const settled = await Promise.allSettled(submits);
      await closing;
      await expect(store.lastSequence()).rejects.toMatchObject({ code: "UNAVAILABLE" });
      await world.reopen();
      const accepted = settled.flatMap((result) => (result.status === "fulfilled" ? result.value.ids : []));
      const { items } = await world.store.listTasks({ owner: OWNER, order: "oldest", limit: 100 });
      expect(items.map((task) => task.id)).toEqual(expect.arrayContaining(accepted));
      expect(accepted).toHaveLength(20);
    });
  });
}
