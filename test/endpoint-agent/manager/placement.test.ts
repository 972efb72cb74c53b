/** Poison among good tasks, counted in steps instead of seconds: the real queues, resources and placement over a pool that is played. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandRuns } from "../../../endpoint-agent/manager/commands.ts";
import type { KnownFunction } from "../../../endpoint-agent/manager/functions.ts";
import { createPinning, NO_PINS } from "../../../endpoint-agent/manager/pins.ts";
import { createPlacement } from "../../../endpoint-agent/manager/placement.ts";
import type { Pool } from "../../../endpoint-agent/manager/pool.ts";
import { createQueues } from "../../../endpoint-agent/manager/queues.ts";
import { createNodeResources } from "../../../endpoint-agent/manager/resources.ts";
import type { SpecInfo, Task } from "../../../endpoint-agent/manager/task.ts";
import type { Worker } from "../../../endpoint-agent/manager/worker.ts";

const NEED = { cores: 1, memoryMb: 0, gpus: 0 };
/** How many tasks a worker does in the time that another one needs to start. */
const START_STEPS = 40;

type Played = { slots: number; poison: (n: number) => boolean; tasks: number; ewmaMs: number };

/** Plays all tasks to their end; each step every ready worker does one. Poison takes its worker with it, once. */
function play({ slots, poison, tasks, ewmaMs }: Played) {
  const pinning = createPinning({ gpus: 0, cores: slots, affinity: "none", env: {} });
  const queues = createQueues(pinning.classOf);
  const resources = createNodeResources({ cores: slots, memoryMb: 0, gpus: 0 }, slots);
  const workers: Worker[] = [];
  const startsIn = new Map<Worker, number>();
  const done = new Map<string, number>();
  let started = 0;
  let idleSteps = 0;
  const pool = {
    workers,
    spawn(runtime) {
      const state = { name: `w${++started}`, runtime, memoryMb: 0, pins: NO_PINS, pinClass: "", state: "starting" };
      const more = {
        key: undefined,
        queue: undefined,
        reserved: undefined,
        deafSince: undefined,
        idleSince: 0,
        done: 0,
      };
      const worker = { ...state, ...more, tasks: [], functions: new Set() } as unknown as Worker;
      workers.push(worker);
      startsIn.set(worker, START_STEPS);
      return worker;
    },
    hand: (worker, given) => void worker.tasks.push(...given),
    retire: (worker) => void workers.splice(workers.indexOf(worker), 1),
    kill() {},
  } as Pool;
  const placement = createPlacement({
    queues,
    pool,
    commands: { runs: new Map(), startAnswered: () => false } as unknown as CommandRuns,
    resources,
    pinning,
    maxWorkers: slots * 2,
    tasksPerWorker: 0,
    mayStart: () => true,
    askStart() {},
  });
  const queue = queues.of("ann", NEED, { runtime: "javascript" });
  const fn = { id: "f", time: { ewmaMs, spawns: false } } as KnownFunction;
  const info = { fn, resources: NEED, atMostOnce: false, timeoutMs: 1e9, queue } as unknown as SpecInfo;
  for (let n = 0; n < tasks; n++) {
    queue.push({
      id: String(n),
      info,
      n: 0,
      startedAt: Number.POSITIVE_INFINITY,
      arrivedAt: n,
      dropped: false,
    } as Task);
  }

  const die = (worker: Worker) => {
    workers.splice(workers.indexOf(worker), 1);
    const [, ...unstarted] = worker.tasks.splice(0);
    queue.unshift(unstarted);
    placement.settle(worker);
  };
  const work = (worker: Worker) => {
    const [first] = worker.tasks as [Task];
    done.set(first.id, (done.get(first.id) ?? 0) + 1);
    if (poison(Number(first.id))) return die(worker);
    worker.tasks.shift();
    worker.done++;
    placement.settle(worker);
  };
  let steps = 0;
  const left = () => queue.first() !== undefined || workers.some((worker) => worker.tasks.length > 0);
  placement.place();
  for (; left(); steps++) {
    if (steps > tasks * START_STEPS * 3) throw new Error(`${queue.length()} tasks are never placed`);
    for (const worker of [...workers]) {
      const wait = startsIn.get(worker) ?? 0;
      if (wait === 1) worker.state = "ready";
      if (wait > 0) startsIn.set(worker, wait - 1);
      else if (worker.tasks.length > 0) work(worker);
    }
    placement.place();
    if (queue.first())
      idleSteps += workers.filter(({ state, tasks }) => state === "ready" && tasks.length === 0).length;
  }
  return { steps, started, idleSteps, done };
}

describe("W11: with poison among good tasks", () => {
  const isPoison = (n: number) => n % 1_000 === 500;

  it("each poison costs its own worker and no other, and no good task is done twice", () => {
    const { started, done } = play({ slots: 2, tasks: 10_000, poison: isPoison, ewmaMs: 0.1 });
    expect(started).toBe(2 + 10);
    expect(done.size).toBe(10_000);
    expect([...done.values()].every((times) => times === 1)).toBe(true);
  });

  it("the work goes on at 90 % of the rate without", () => {
    const clean = play({ slots: 2, tasks: 10_000, poison: () => false, ewmaMs: 0.1 });
    const poisoned = play({ slots: 2, tasks: 10_000, poison: isPoison, ewmaMs: 0.1 });
    expect(clean.steps / poisoned.steps).toBeGreaterThanOrEqual(0.9);
  });

  it("no worker that is ready is idle while a task waits, wherever the poison is", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 400 }),
        fc.constantFrom(0.01, 0.5, 3, 20),
        fc.uniqueArray(fc.integer({ min: 0, max: 399 }), { maxLength: 20 }),
        (slots, tasks, ewmaMs, poisonous) => {
          const bad = new Set(poisonous);
          const { idleSteps, started, done } = play({ slots, tasks, ewmaMs, poison: (n) => bad.has(n) });
          expect(idleSteps).toBe(0);
          expect(done.size).toBe(tasks);
          expect(started).toBeLessThanOrEqual(slots + poisonous.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
