import { describe, expect, it } from "vitest";
import { createWorld, HELLO, type OpenStore } from "./world.ts";

const dead = { reason: "MANAGER_LOST", message: "declared dead" } as const;

export function agentRules(open: OpenStore): void {
  describe("agents", () => {
    it("rule 17: a start counts the epoch up and tells who was there before", async () => {
      const { store, endpoint, epoch } = await createWorld(open);
      expect(epoch).toBe(1);
      const next = await store.startEpoch(endpoint, { ...HELLO, host: "other" }, { previousAnswers: false });
      expect(next).toEqual({ epoch: 2, previous: { epoch: 1, hello: HELLO } });
      expect(await store.epochOf(endpoint)).toBe(2);
      expect(await store.getEndpoint("laptop")).toMatchObject({ epoch: 2, hello: { host: "other" } });
      await expect(store.startEpoch("nowhere", HELLO, { previousAnswers: false })).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
    });

    it("rule 17: a start from another host needs take-over while the older agent answers", async () => {
      const { store, endpoint } = await createWorld(open);
      const other = { ...HELLO, host: "other" };
      const start = store.startEpoch(endpoint, other, { previousAnswers: true });
      await expect(start).rejects.toMatchObject({ code: "ENDPOINT_IN_USE" });
      expect(await store.epochOf(endpoint)).toBe(1);
      expect((await store.startEpoch(endpoint, HELLO, { previousAnswers: true })).epoch).toBe(2);
      expect((await store.startEpoch(endpoint, { ...other, takeOver: true }, { previousAnswers: true })).epoch).toBe(3);
    });

    it("rule 5: a pull is open only in the epoch of now; a new epoch forgets the older one's pulls", async () => {
      const { store, endpoint, epoch } = await createWorld(open);
      expect(await store.openPull(endpoint, epoch, 7)).toBe(true);
      expect(await store.openPull(endpoint, epoch, 7)).toBe(true);
      const next = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
      expect(await store.openPull(endpoint, epoch, 8)).toBe(false);
      expect(await store.openPull(endpoint, next.epoch, 1)).toBe(true);
    });

    it("rule 8: what never arrived is queued again where it was, and counts no attempt", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}, {}], pulls: [world.pull(2)] });
      const [a, b] = ids as [string, string];
      await world.start(b);
      const { queued, events } = await world.store.takeBack(world.endpoint, [
        [a, 1],
        [b, 1],
        [a, 9],
        [world.newId(), 1],
      ]);
      expect(queued).toEqual([world.endpoint]);
      expect(events).toEqual([]);
      expect(await world.state(b)).toBe("running");
      expect(await world.pop()).toMatchObject([
        { id: a, lease: 2, attempt: 0 },
        { id: ids[2], lease: 1 },
      ]);
    });

    it("rule 9: leases are listed by age", async () => {
      const world = await createWorld(open);
      const old = await world.leased();
      world.clock.ms += 10_000;
      const young = await world.leased();
      expect(await world.store.leasesOf(world.endpoint, world.clock.ms)).toEqual([[old, 1]]);
      expect(await world.store.leasesOf(world.endpoint, world.clock.ms + 1)).toEqual([
        [old, 1],
        [young, 1],
      ]);
    });

    it("rule 9: a difference is repaired both ways", async () => {
      const world = await createWorld(open);
      const held = await world.leased();
      const forgotten = await world.leased();
      const runningAndForgotten = await world.leased();
      const maybeRan = await world.leased({ delivery: "at-most-once" });
      const neverStarted = await world.leased({ delivery: "at-most-once" });
      await world.start(runningAndForgotten);
      await world.start(maybeRan);
      world.clock.ms += 10_000;
      const young = await world.leased();
      const stranger = world.newId();
      const { kill, queued, events } = await world.store.reconcile(
        world.endpoint,
        [
          [held, 1],
          [stranger, 1],
          [forgotten, 7],
        ],
        world.clock.ms,
      );
      expect(kill).toEqual([
        [stranger, 1],
        [forgotten, 7],
      ]);
      expect(queued).toEqual([world.endpoint]);
      expect(events.map(({ id, state }) => [id, state])).toEqual([
        [runningAndForgotten, "queued"],
        [maybeRan, "failed"],
      ]);
      expect(await Promise.all([held, young, maybeRan].map(world.state))).toEqual(["leased", "leased", "failed"]);
      expect(await world.pop()).toMatchObject([
        { id: forgotten, attempt: 0 },
        { id: runningAndForgotten, attempt: 1 },
        { id: neverStarted, attempt: 0 },
      ]);
    });

    it("rule 21: rule 11: what a dead endpoint held is placed again; what may have run once is not", async () => {
      const world = await createWorld(open);
      const leased = await world.leased();
      const running = await world.leased({ maxAttempts: 1 });
      const once = await world.leased({ delivery: "at-most-once" });
      const onceStarted = await world.leased({ delivery: "at-most-once" });
      await world.start(running);
      await world.start(onceStarted);
      const { released, events } = await world.store.releaseAll(world.endpoint, dead);
      expect(released).toBe(4);
      expect(events.map(({ id, state, failure }) => [id, state, failure?.code])).toEqual([
        [leased, "queued", "MANAGER_LOST"],
        [running, "failed", "MANAGER_LOST"],
        [onceStarted, "failed", "MAYBE_RAN"],
      ]);
      expect(await world.pop()).toMatchObject([
        { id: leased, attempt: 1 },
        { id: once, attempt: 0 },
      ]);
    });

    it("rule 21: a silent agent without a successor loses nothing: its leases stay until their tasks expire", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ ttlMs: 3_600_000 });
      world.clock.ms += 3_599_999;
      await world.store.tick(100);
      expect(await world.store.leasesOf(world.endpoint, world.clock.ms)).toEqual([[id, 1]]);
      world.clock.ms += 1;
      expect(await world.store.tick(100)).toMatchObject({
        events: [{ id, state: "expired" }],
        kills: [{ lease: [id, 1] }],
      });
    });
  });
}
