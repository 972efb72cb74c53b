/** Which waiting task goes to which worker, and when a worker is started or ended for it. */
import type { CommandRuns } from "./commands.ts";
import type { Runtime } from "./functions.ts";
import { handOver, holdOf } from "./hold.ts";
import type { Pinning } from "./pins.ts";
import type { Pool } from "./pool.ts";
import type { Queue, Queues } from "./queues.ts";
import type { NodeResources } from "./resources.ts";
import type { Task } from "./task.ts";
import type { Worker } from "./worker.ts";

export type PlacementParts = {
  queues: Queues;
  pool: Pool;
  commands: CommandRuns;
  resources: NodeResources;
  pinning: Pinning;
  /** how many worker processes there may be, idle ones included */
  maxWorkers: number;
  tasksPerWorker: number;
  /** Whether a worker of this runtime may be started now. */
  mayStart(runtime: Runtime): boolean;
  /** An at-most-once task has its place: its start is to be committed. */
  askStart(task: Task, place: string): void;
};

export type Placement = {
  /** Hands over what fits. */
  place(): void;
  /** The start of a reserved task is committed; or it is given up. Returns whether it was waiting for that. */
  startAnswered(task: Task, go: boolean): boolean;
  /** After a reconnect: asks again for the starts that were not answered. */
  askStartsAgain(): void;
  /** Ends workers that have been idle for `idleMs`. */
  retireIdle(idleMs: number): void;
  /** Frees what an idle worker holds. */
  settle(worker: Worker): void;
};

/** A task that waited this long without fitting keeps later ones from being started before it. */
const STARVED_MS = 1_000;
/** What a worker holds behind a task of this length is taken back (ticker.ts). */
export const LONG_MS = 50;
/** Modules cannot be unloaded, so a worker that has loaded this many functions is replaced. */
const FUNCTIONS_PER_WORKER = 64;

/** Decides over the given parts; keeps no state but theirs. */
export function createPlacement(parts: PlacementParts): Placement {
  const { queues, pool, commands, resources, pinning, maxWorkers, tasksPerWorker, mayStart, askStart } = parts;

  const worn = (worker: Worker) =>
    worker.functions.size >= FUNCTIONS_PER_WORKER || (tasksPerWorker > 0 && worker.done >= tasksPerWorker);
  const idle = (worker: Worker) =>
    worker.state === "ready" && worker.tasks.length === 0 && worker.reserved === undefined;
  const matches = (worker: Worker, queue: Queue) =>
    worker.key === queue.workerKey ||
    (worker.key === undefined &&
      worker.runtime === queue.runtime &&
      worker.memoryMb === queue.resources.memoryMb &&
      worker.pinClass === queue.pinClass &&
      queue.container === undefined);

  /** One whose task runs for long is given nothing behind it. */
  const slow = (worker: Worker) => {
    const running = worker.tasks[0];
    return running !== undefined && performance.now() - running.startedAt > LONG_MS;
  };

  const settle = (worker: Worker) => {
    if (worker.tasks.length > 0 || worker.reserved) return;
    if (worker.queue) {
      resources.release(worker.queue.resources);
      worker.queue = undefined;
      worker.idleSince = performance.now();
    }
    if (worker.state === "ready" && worn(worker)) pool.retire(worker);
  };

  const handTo = (worker: Worker, queue: Queue, sharers: number) => {
    const first = queue.first();
    if (!first) return;
    if (first.info.atMostOnce) {
      if (worker.tasks.length > 0) return;
      queue.shift();
      if (first.startCommitted) {
        pool.hand(worker, [first]);
        return;
      }
      worker.reserved = first;
      askStart(first, worker.name);
      return;
    }
    // Tasks of one batch are of one function nearly always, so the first one's time speaks for all.
    const limit = worker.deafSince === undefined ? holdOf(first.info.fn.time, false) : 1;
    const count = handOver(queue.length(), worker.tasks.length, limit, sharers);
    const tasks: Task[] = [];
    for (let next = queue.first(); next && tasks.length < count; next = queue.first()) {
      if (next.info.fn !== first.info.fn || next.info.atMostOnce) break;
      tasks.push(queue.shift() as Task);
    }
    if (tasks.length > 0) pool.hand(worker, tasks);
  };

  const assign = (worker: Worker, queue: Queue) => {
    worker.key = queue.workerKey;
    worker.queue = queue;
    resources.take(queue.resources);
  };

  /** Ends the worker that has been idle for longest, of those that this queue cannot use. */
  const retireFor = (queue: Queue, which: (worker: Worker) => boolean) => {
    const victims = pool.workers.filter(
      (worker) => idle(worker) && !worker.queue && !matches(worker, queue) && which(worker),
    );
    victims.sort((a, b) => a.idleSince - b.idleSince);
    if (victims[0]) pool.retire(victims[0]);
  };
  const makeRoom = (queue: Queue): boolean => {
    if (pool.workers.length < maxWorkers) return true;
    retireFor(queue, () => true);
    return false;
  };
  /** Pins for one more process; while idle workers have them all, one of these is ended. */
  const takePins = (queue: Queue) => {
    const pins = pinning.take(queue.resources);
    if (!pins) retireFor(queue, ({ pinClass }) => pinClass !== "");
    return pins;
  };

  const startWorkers = (queue: Queue) => {
    const starting = pool.workers.filter((worker) => worker.state === "starting" && matches(worker, queue)).length;
    const wanted = Math.min(queue.length(), resources.room(queue.resources)) - starting;
    for (let i = 0; i < wanted && mayStart(queue.runtime) && makeRoom(queue); i++) {
      const pins = takePins(queue);
      if (!pins) return;
      const { memoryMb } = queue.resources;
      const { pinClass, container } = queue;
      const worker = pool.spawn(queue.runtime, { memoryMb, pins, pinClass, container });
      if (worker) worker.key = queue.workerKey;
      else pinning.release(pins);
    }
  };

  const placeCommands = (queue: Queue) => {
    while (queue.first() && mayStart(queue.runtime) && resources.fits(queue.resources)) {
      const pins = takePins(queue);
      if (!pins) return;
      const task = queue.shift() as Task;
      resources.take(queue.resources);
      const name = commands.reserve(task, pins);
      if (task.info.atMostOnce && !task.startCommitted) askStart(task, name);
      else commands.start(task);
    }
  };

  const placeQueue = (queue: Queue) => {
    if (queue.runtime === "command") {
      placeCommands(queue);
      return;
    }
    const serving = pool.workers.filter(
      (worker) => worker.queue === queue && worker.state === "ready" && !slow(worker),
    );
    const free = pool.workers.filter((worker) => idle(worker) && !worker.queue && matches(worker, queue));
    const usable = free.slice(0, resources.room(queue.resources));
    const sharers = serving.length + usable.length;
    for (const worker of usable) {
      if (!queue.first()) return;
      assign(worker, queue);
      handTo(worker, queue, sharers);
    }
    for (const worker of serving) {
      if (worker.reserved === undefined && !worn(worker)) handTo(worker, queue, sharers);
    }
    if (queue.first()) startWorkers(queue);
  };

  return {
    settle,
    place() {
      const now = performance.now();
      for (const queue of queues.waiting()) {
        placeQueue(queue);
        const first = queue.first();
        if (first && now - first.arrivedAt > STARVED_MS && !resources.fits(queue.resources)) {
          // Later tasks wait, so that what this one needs becomes free.
          return;
        }
      }
    },
    askStartsAgain() {
      for (const worker of pool.workers) if (worker.reserved) askStart(worker.reserved, worker.name);
      for (const run of commands.runs.values()) if (!run.started) askStart(run.task, run.name);
    },
    retireIdle(idleMs) {
      const before = performance.now() - idleMs;
      for (const worker of [...pool.workers]) {
        // One that has served nobody yet is kept for whoever comes first.
        if (idle(worker) && !worker.queue && worker.key !== undefined && worker.idleSince < before) pool.retire(worker);
      }
    },
    startAnswered(task, go) {
      if (commands.startAnswered(task, go)) return true;
      const worker = pool.workers.find((candidate) => candidate.reserved === task);
      if (!worker) return false;
      worker.reserved = undefined;
      if (go) pool.hand(worker, [task]);
      else settle(worker);
      return true;
    },
  };
}
