import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../../../protocol/errors.ts";
import type { HeldLease } from "../../../../protocol/messages.ts";
import type { CallSpec } from "../../../../protocol/task.ts";
import { end, finish, handOut, holds, type Kind, type ModelTask, newTask, start, TERMINAL, tick } from "./reducer.ts";
import { CLASS, createWorld, FUNCTION, HELLO, type OpenStore, putFunction, type World } from "./world.ts";

const BASE: Kind = { priority: 0, atMostOnce: false, retries: 0, retryDelayMs: 100, maxAttempts: 3, ttlMs: 10_000 };
const KINDS: Kind[] = [
  BASE,
  { ...BASE, priority: 5, maxAttempts: 2 },
  { ...BASE, retries: 2 },
  { ...BASE, atMostOnce: true, retries: 2 },
  { ...BASE, priority: -1, ttlMs: 1500, retries: 5, retryDelayMs: 10, maxAttempts: 9 },
];
const CODES: ErrorCode[] = ["USER_ERROR", "TIMEOUT", "SIGNAL", "LOAD_ERROR", "WORKER_LOST", "MANAGER_LOST"];

/** `task` is taken modulo the tasks there are; `stale` names the lease before the current one. */
const pick = fc.nat(20);
const stale = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("submit" as const),
      kind: fc.nat(KINDS.length - 1),
      count: fc.integer({ min: 1, max: 3 }),
      room: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("repeat" as const), task: pick, room: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pop" as const), room: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("start" as const), task: pick, stale }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      task: pick,
      stale,
      outcome: fc.constantFrom("succeeded", "failed", "failed", "lost", "lost", "returned"),
      code: fc.constantFrom(...CODES),
      started: fc.constantFrom(true, false, undefined),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), task: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("tick" as const), ms: fc.constantFrom(1, 50, 200, 700) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("takeBack" as const), task: pick, stale }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reconcile" as const), keeps: fc.nat(255) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("releaseAll" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export function modelRules(open: OpenStore): void {
  describe("model", () => {
    it("I2: I4: I5: any interleaving of calls leaves every task as the rules say", { timeout: 120_000 }, async () => {
      const world = await createWorld(open);
      let runs = 0;
      const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const run = await createRun(world, ++runs);
        for (const next of steps) {
          const ended = run.tasks.filter((task) => TERMINAL.has(task.state)).map((task) => ({ ...task }));
          await run.take(next);
          await run.check(ended);
        }
        await world.store.cancel({ owner: run.owner, all: true });
      });
      await fc.assert(property, { numRuns: 150 });
      const before = await world.store.stats();
      await world.reopen();
      expect((await world.store.stats()).byState).toEqual(before.byState);
    });
  });
}

/** An owner and an endpoint of their own, and the model of their tasks. */
async function createRun(world: World, number: number) {
  const { store, clock } = world;
  const owner = `owner-${number}`;
  const endpoint = world.newId();
  await store.putEndpoint({ id: endpoint, name: `endpoint-${number}`, owner, description: "" });
  await putFunction(store, owner, FUNCTION);
  const { epoch } = await store.startEpoch(endpoint, HELLO, { previousAnswers: false });
  await store.openPull(endpoint, epoch, 1);
  const tasks: ModelTask[] = [];
  const pulls = (room: number) => [{ endpoint, epoch, pull: 1, room: { [CLASS]: { tasks: room, bytes: 1e6 } } }];
  const at = (index: number) => tasks[index % tasks.length] as ModelTask;
  const report = (results: object[], starts: object[]) =>
    store.report({ endpoint, epoch, results, starts, body: new Uint8Array(0), pulls: [] } as never);

  async function submit(added: ModelTask[], room: number): Promise<void> {
    const specs = added.map(({ kind }) => ({ function: FUNCTION, endpoint, ...specOf(kind) }));
    const entries = added.map(({ id }, spec) => ({ id, spec, length: 0 }));
    const input = { owner, header: { specs, tasks: entries }, body: new Uint8Array(0), pulls: pulls(room) };
    const { rejected, handouts } = await store.submit(input);
    expect(rejected).toEqual([]);
    const fresh = added.filter((task) => !tasks.includes(task));
    tasks.push(...fresh);
    // Only a submit that created something leases anything, at most its room.
    const leased = handouts.flatMap((handout) => handout.tasks.map((task) => task.id));
    expect(leased).toEqual(handOut(tasks, fresh.length > 0 || room > 0 ? room : 0, clock.ms));
  }

  async function endOne(next: Extract<Step, { do: "end" }>): Promise<void> {
    const task = at(next.task);
    const lease = next.stale ? task.lease - 1 : task.lease;
    const { outcome, code, started } = next;
    const failure = outcome === "failed" || outcome === "lost" ? { failure: { code, message: "" } } : {};
    const entry = { id: task.id, lease, outcome, ...failure, ...(started === undefined ? {} : { started }) };
    const { superseded } = await report([entry], []);
    expect(superseded).toBe(holds(task, lease) ? 0 : 1);
    if (holds(task, lease)) end(task, { outcome, code, started } as never, clock.ms);
  }

  async function reconcile(keeps: number): Promise<void> {
    const holding = tasks.filter((task) => holds(task, task.lease));
    const kept = holding.filter((_, i) => keeps & (1 << (i % 8)));
    const held = kept.map((task): HeldLease => [task.id, task.lease]);
    const { kill } = await store.reconcile(endpoint, held, clock.ms + 1);
    expect(kill).toEqual([]);
    for (const task of holding.filter((task) => !kept.includes(task))) {
      const outcome = task.state === "leased" ? "returned" : "lost";
      end(task, { outcome, code: "MANAGER_LOST", started: outcome === "returned" ? false : undefined }, clock.ms);
    }
  }

  async function releaseAll(): Promise<void> {
    await store.releaseAll(endpoint, { reason: "MANAGER_LOST", message: "dead" });
    for (const task of tasks.filter((task) => holds(task, task.lease))) {
      const started = task.state === "leased" && task.kind.atMostOnce ? false : undefined;
      end(task, { outcome: "lost", code: "MANAGER_LOST", started }, clock.ms);
    }
  }

  async function take(next: Step): Promise<void> {
    if (next.do === "submit") {
      const kind = KINDS[next.kind] as Kind;
      await submit(
        Array.from({ length: next.count }, () => newTask(world.newId(), kind, clock.ms)),
        next.room,
      );
    } else if (next.do === "tick") {
      clock.ms += next.ms;
      while ((await store.tick(100)).more);
      tick(tasks, clock.ms);
    } else if (next.do === "pop") {
      const { handouts } = await store.pop(pulls(next.room));
      const popped = handouts.flatMap((handout) => handout.tasks.map((task) => task.id));
      expect(popped).toEqual(handOut(tasks, next.room, clock.ms));
    } else if (next.do === "reconcile") await reconcile(next.keeps);
    else if (next.do === "releaseAll") await releaseAll();
    else if (tasks.length > 0) await takeOne(next);
  }

  async function takeOne(
    next: Exclude<Step, { do: "submit" | "tick" | "pop" | "reconcile" | "releaseAll" }>,
  ): Promise<void> {
    const task = at(next.task);
    const lease = "stale" in next && next.stale ? task.lease - 1 : task.lease;
    if (next.do === "repeat") await submit([task], 0);
    else if (next.do === "end") await endOne(next);
    else if (next.do === "cancel") {
      const { cancelled } = await store.cancel({ owner, ids: [task.id] });
      expect(cancelled).toHaveLength(TERMINAL.has(task.state) ? 0 : 1);
      if (cancelled.length > 0) finish(task, "cancelled", "CANCELLED");
    } else if (next.do === "takeBack") {
      await store.takeBack(endpoint, [[task.id, lease]]);
      if (task.state === "leased" && task.lease === lease)
        end(task, { outcome: "returned", code: "INTERNAL", started: false }, clock.ms);
    } else {
      const { refusedStarts } = await report([], [{ id: task.id, lease }]);
      expect(refusedStarts).toEqual(holds(task, lease) ? [] : [0]);
      if (holds(task, lease)) start(task);
    }
  }

  /** Compares every task with the model; `ended` are those that had ended before the step. */
  async function check(ended: ModelTask[]): Promise<void> {
    const { items } = await store.listTasks({ owner, order: "oldest", limit: 1000 });
    const shown = items.map(({ id, state, attempt, handOuts, failure }) => ({
      id,
      state,
      attempt,
      lease: handOuts,
      code: failure?.code ?? null,
    }));
    expect(shown).toEqual(
      tasks.map(({ id, state, attempt, lease, code }) => ({
        id,
        state,
        attempt,
        lease,
        code: state === "succeeded" ? null : code,
      })),
    );
    for (const before of ended) expect(tasks.find((task) => task.id === before.id)).toEqual(before);
    for (const task of tasks) {
      const bound = task.kind.atMostOnce ? 1 : task.kind.maxAttempts + task.kind.retries + 1;
      expect(task.attempt, "I4").toBeLessThanOrEqual(bound);
    }
    const counts = await store.countTasks({ owner }, 10_000);
    const sum = Object.values(counts).reduce((total, n) => total + n, 0);
    expect(sum, "I5").toBe(tasks.length);
    for (const [state, n] of Object.entries(counts))
      expect(n, state).toBe(tasks.filter((task) => task.state === state).length);
  }

  return { owner, tasks, take, check };
}

function specOf(kind: Kind): Partial<CallSpec> {
  const { atMostOnce, ...options } = kind;
  return atMostOnce ? { ...options, delivery: "at-most-once" } : options;
}
