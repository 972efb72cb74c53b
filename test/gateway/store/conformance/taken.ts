import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../../../protocol/errors.ts";
import { DEFAULTS } from "../../../../protocol/task-constants.ts";
import { createWorld, type OpenStore } from "./world.ts";

const by = (code: ErrorCode) => ({ code, message: "block b-1: as the scheduler says" });

export function takenRules(open: OpenStore): void {
  describe("attempts that the site takes away", () => {
    it("B5: are recorded with their reason, and cost neither an attempt nor a hand-out", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 1 });
      const reasons = ["PREEMPTED", "WALLTIME", "BLOCK_CANCELLED", "BLOCK_ENDED"] as const;
      for (let lease = 1; lease <= 12; lease++) {
        if (lease % 2 === 0) await world.start(id, lease);
        const failure = by(reasons[lease % 4] as ErrorCode);
        const { events } = await world.report([{ id, lease, outcome: "returned", block: "b-1", failure }]);
        expect(events).toMatchObject([{ state: "queued", attempt: lease, failure }]);
        expect(await world.pop()).toMatchObject([{ id, lease: lease + 1, attempt: lease }]);
      }
      expect((await world.store.attemptsOf(id)).map(({ reason }) => reason)).toEqual(
        Array.from({ length: 12 }, (_, i) => reasons[(i + 1) % 4]),
      );
      await world.report([{ id, lease: 13, outcome: "succeeded" }]);
      expect(await world.state(id)).toBe("succeeded");
    });

    it("B5: a hundred of them are too many, and the failure says what they were, not POISON", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      for (let lease = 1; lease < DEFAULTS.maxTaken; lease++) {
        await world.report([{ id, lease, outcome: "returned", failure: by("PREEMPTED") }]);
        await world.pop();
      }
      const lease = DEFAULTS.maxTaken;
      const { events } = await world.report([{ id, lease, outcome: "returned", failure: by("PREEMPTED") }]);
      expect(events).toMatchObject([{ state: "failed", failure: { code: "PREEMPTED" } }]);
      expect(events[0]?.failure?.message).toContain("its block was taken away 100 times");
    });

    it("NODE_FAIL: the third node that fails under a task is its last, as it may be what fails them", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 1 });
      await world.report([{ id, lease: 1, outcome: "returned", failure: by("PREEMPTED") }]);
      await world.pop();
      for (const lease of [2, 3]) {
        await world.report([{ id, lease, outcome: "returned", failure: by("NODE_FAIL") }]);
        expect(await world.pop()).toMatchObject([{ lease: lease + 1 }]);
      }
      const { events } = await world.report([{ id, lease: 4, outcome: "returned", failure: by("NODE_FAIL") }]);
      expect(events).toMatchObject([{ state: "failed", failure: { code: "NODE_FAIL" } }]);
    });

    it("rule 10: an at-most-once task may have run if its start was committed, and has not if it was not", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ delivery: "at-most-once" });
      await world.report([{ id, lease: 1, outcome: "returned", failure: by("PREEMPTED") }]);
      expect(await world.pop()).toMatchObject([{ lease: 2, attempt: 0 }]);
      await world.start(id, 2);
      await world.report([{ id, lease: 2, outcome: "returned", failure: by("PREEMPTED") }]);
      expect(await world.store.getTask(id, null)).toMatchObject({ state: "failed", failure: { code: "MAYBE_RAN" } });
    });

    it("rule 11: one that never started and lost its slot is queued again as often as that happens", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      for (let lease = 1; lease <= 30; lease++) {
        const { events } = await world.report([
          { id, lease, outcome: "returned", started: false, failure: by("BLOCK_ENDED") },
        ]);
        expect(events).toEqual([]);
        expect(await world.pop()).toMatchObject([{ lease: lease + 1, attempt: 0 }]);
      }
      expect(await world.store.attemptsOf(id)).toEqual([]);
    });

    it("B5: a reason that the scheduler gives later completes the attempt, and nothing else", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      await world.start(id);
      await world.report([{ id, lease: 1, outcome: "returned", block: "b-1", failure: by("BLOCK_ENDED") }]);
      await world.pop();
      await world.report([{ id, lease: 1, outcome: "returned", block: "b-2", failure: by("WALLTIME") }]);
      const other = world.newId();
      await world.store.putEndpoint({ id: other, name: "other", owner: "mallory", description: "" });
      const late = { id, lease: 1, outcome: "returned", block: "b-1", failure: by("PREEMPTED") } as const;
      expect((await world.report([late], { endpoint: other, epoch: 1 })).superseded, "I9: another endpoint's").toBe(1);
      expect((await world.report([late])).superseded).toBe(0);
      expect(await world.store.attemptsOf(id)).toMatchObject([{ attempt: 1, block: "b-1", reason: "PREEMPTED" }]);
      expect(await world.state(id)).toBe("leased");
      // Said again, it has nothing to complete.
      expect((await world.report([late])).superseded).toBe(1);
    });
  });
}
