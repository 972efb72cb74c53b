import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../../../protocol/errors.ts";
import { createWorld, type OpenStore, text, type World } from "./world.ts";

const userError = { code: "USER_ERROR", message: "boom", type: "TypeError", stack: "at x" } as const;
const lost = { code: "WORKER_LOST", message: "killed" } as const;

export function attemptRules(open: OpenStore): void {
  describe("attempts", () => {
    it("a user's exception ends the task, unless retries are asked for", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      const { events } = await world.report([{ id, outcome: "failed", failure: userError, ranMs: 3, err: "trace" }]);
      expect(events).toMatchObject([
        {
          id,
          state: "failed",
          attempt: 1,
          failure: userError,
          ranMs: 3,
          attempts: [{ attempt: 1, reason: "USER_ERROR", message: "boom" }],
        },
      ]);
      expect(await world.store.getTask(id, null)).toMatchObject({ state: "failed", failure: userError });
      expect(text((await world.store.outputOf(id))?.stderr)).toBe("trace");
    });

    it("retries wait twice as long each time, then the last failure stays", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ retries: 2, retryDelayMs: 100 });
      for (const [n, delay] of [100, 200].entries()) {
        const { events } = await world.report([{ id, lease: n + 1, outcome: "failed", failure: userError }]);
        expect(events).toMatchObject([{ state: "waiting", attempt: n + 1, failure: userError }]);
        expect(await world.store.getTask(id, null)).toMatchObject({
          state: "waiting",
          retryAt: world.clock.ms + delay,
        });
        world.clock.ms += delay - 1;
        expect((await world.store.tick(10)).events).toEqual([]);
        world.clock.ms += 1;
        const tick = await world.store.tick(10);
        expect(tick).toMatchObject({ queued: [world.endpoint], events: [{ id, state: "queued", attempt: n + 1 }] });
        expect(await world.pop()).toMatchObject([{ id, lease: n + 2, attempt: n + 1 }]);
      }
      await world.report([{ id, lease: 3, outcome: "failed", failure: userError }]);
      expect(await world.store.getTask(id, null)).toMatchObject({ state: "failed", attempt: 3 });
      expect((await world.store.attemptsOf(id)).map(({ attempt, reason }) => [attempt, reason])).toEqual([
        [1, "USER_ERROR"],
        [2, "USER_ERROR"],
        [3, "USER_ERROR"],
      ]);
    });

    it("a failure that a repeat cannot mend is not repeated", async () => {
      const world = await createWorld(open);
      for (const code of [
        "RESULT_TOO_LARGE",
        "RESULT_NOT_SERIALISABLE",
        "LOAD_ERROR",
        "INTERNAL",
      ] satisfies ErrorCode[]) {
        const id = await world.leased({ retries: 5 });
        await world.report([{ id, outcome: "failed", failure: { code, message: "no" } }]);
        expect(await world.store.getTask(id, null)).toMatchObject({ state: "failed", failure: { code } });
      }
    });

    it("I4: a lost task gets a new attempt, up to maxAttempts", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 2 });
      const failure = { code: "MANAGER_LOST", message: "gone" } as const;
      const { events, queued } = await world.report([{ id, outcome: "lost", failure, started: true, block: "b-1" }]);
      expect(events).toMatchObject([{ state: "queued", attempt: 1, failure }]);
      expect(queued).toEqual([world.endpoint]);
      expect(await world.pop()).toMatchObject([{ id, lease: 2, attempt: 1 }]);
      const last = await world.report([{ id, lease: 2, outcome: "lost", failure, started: true }]);
      expect(last.events).toMatchObject([{ state: "failed", attempt: 2, failure }]);
      expect(last.events[0]?.attempts).toMatchObject([
        { attempt: 1, block: "b-1", reason: "MANAGER_LOST" },
        { attempt: 2 },
      ]);
    });

    it("rule 11: an unknown start counts as an attempt, one known not to be costs nothing", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 2 });
      await world.report([{ id, outcome: "lost", failure: lost, started: false }]);
      expect(await world.pop()).toMatchObject([{ lease: 2, attempt: 0 }]);
      await world.report([{ id, lease: 2, outcome: "lost", failure: lost }]);
      expect(await world.pop()).toMatchObject([{ lease: 3, attempt: 1 }]);
    });

    it("rule 10: an at-most-once task that may have started never runs again", async () => {
      const world = await createWorld(open);
      const cases: { started?: boolean; start: boolean; state: string }[] = [
        { start: true, state: "failed" },
        { start: true, started: false, state: "failed" },
        { start: false, started: true, state: "failed" },
        { start: false, state: "failed" },
        { start: false, started: false, state: "queued" },
      ];
      for (const { started, start, state } of cases) {
        const id = await world.leased({ delivery: "at-most-once", maxAttempts: 5, retries: 5 });
        if (start) await world.start(id);
        await world.report([{ id, outcome: "lost", failure: lost, ...(started === undefined ? {} : { started }) }]);
        const task = await world.store.getTask(id, null);
        expect(task?.state, JSON.stringify({ started, start })).toBe(state);
        if (state === "failed") expect(task?.failure).toMatchObject({ code: "MAYBE_RAN", details: { cause: lost } });
        else await world.store.cancel({ owner: null, ids: [id] });
      }
    });

    it("I4: an at-most-once task is not repeated after an exception either", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ delivery: "at-most-once", retries: 3 });
      await world.start(id);
      await world.report([{ id, outcome: "failed", failure: userError }]);
      expect(await world.store.getTask(id, null)).toMatchObject({
        state: "failed",
        attempt: 1,
        failure: { code: "USER_ERROR" },
      });
    });

    it("W11: a task that three workers died of is POISON, whatever it was still allowed", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 50, retries: 50, retryDelayMs: 0 });
      await world.report([{ id, lease: 1, outcome: "lost", failure: lost, started: true }]);
      await world.pop();
      await world.report([{ id, lease: 2, outcome: "failed", failure: { code: "SIGNAL", message: "SIGSEGV" } }]);
      await world.store.tick(10);
      await world.pop();
      const { events } = await world.report([{ id, lease: 3, outcome: "lost", failure: lost, started: true }]);
      expect(events).toMatchObject([
        { state: "failed", attempt: 3, failure: { code: "POISON", details: { last: lost } } },
      ]);
      expect(events[0]?.attempts?.map((attempt) => attempt.reason)).toEqual(["WORKER_LOST", "SIGNAL", "POISON"]);
    });

    it("rule 11: a task handed out 10 times without an end is POISON", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      await giveBack(world, id, 9);
      expect(await world.state(id)).toBe("leased");
      await world.report([{ id, lease: 10, outcome: "returned" }]);
      expect(await world.store.getTask(id, null)).toMatchObject({
        state: "failed",
        attempt: 0,
        failure: { code: "POISON" },
      });
    });

    it("rule 11: an attempt that ended starts that count anew", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ retries: 1, retryDelayMs: 0 });
      await giveBack(world, id, 9);
      await world.report([{ id, lease: 10, outcome: "failed", failure: userError }]);
      await world.store.tick(10);
      expect(await world.pop()).toMatchObject([{ lease: 11 }]);
      await world.report([{ id, lease: 11, outcome: "returned" }]);
      expect(await world.state(id)).toBe("queued");
    });

    it("B4, B5: a start whose block the site ended is no loss and no strike, but an at-most-once task may have run", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ maxAttempts: 1 });
      for (let lease = 1; lease <= 5; lease++) {
        if (lease % 2 === 0) await world.start(id, lease);
        const { events } = await world.report([{ id, lease, outcome: "returned", started: true }]);
        expect(events.map(({ state }) => state)).toEqual(lease % 2 === 0 ? ["queued"] : []);
        expect(await world.pop()).toMatchObject([{ id, lease: lease + 1 }]);
      }
      const { events } = await world.report([{ id, lease: 6, outcome: "lost", failure: lost, started: true }]);
      expect(events).toMatchObject([{ state: "failed", failure: lost, attempts: [{ reason: "WORKER_LOST" }] }]);

      const once = await world.leased({ delivery: "at-most-once" });
      await world.start(once);
      await world.report([{ id: once, lease: 1, outcome: "returned", started: true }]);
      expect(await world.store.getTask(once, null)).toMatchObject({ state: "failed", failure: { code: "MAYBE_RAN" } });
    });

    it("a failed command may bring a result along", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      const failure = { code: "COMMAND_FAILED", message: "exit 2", exitCode: 2 } as const;
      const { events } = await world.report([
        { id, outcome: "failed", failure, value: '{"exitCode":2}', out: "hello" },
      ]);
      expect(events).toMatchObject([{ state: "failed", failure, encoding: "json", size: 14 }]);
      expect(text(events[0]?.bytes)).toBe('{"exitCode":2}');
      expect(text((await world.store.payloadOf(id, "result"))?.bytes)).toBe('{"exitCode":2}');
    });
  });
}

/** Hands the task back and out again, beginning at lease 1. */
async function giveBack(world: World, id: string, times: number): Promise<void> {
  for (let lease = 1; lease <= times; lease++) {
    await world.report([{ id, lease, outcome: "returned" }]);
    expect(await world.pop()).toMatchObject([{ id, lease: lease + 1 }]);
  }
}
