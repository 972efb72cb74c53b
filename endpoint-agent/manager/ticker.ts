/** What time makes necessary: starts to report, tasks to take back, timeouts, memory (PROTOCOL.md rule 10, FAULTS.md W2, W4). */
import type { CommandRuns } from "./commands.ts";
import type { KillReason } from "./deaths.ts";
import type { MemoryGuard, OomCount } from "./memory.ts";
import { LONG_MS } from "./placement.ts";
import type { Pool } from "./pool.ts";
import type { Task } from "./task.ts";
import { takeBack, type Worker } from "./worker.ts";

export type TickerParts = {
  pool: Pool;
  commands: CommandRuns;
  oom: OomCount;
  reportStart(task: Task, worker: string): void;
  /** Tasks that were taken back from a worker. */
  onUnstarted(tasks: Task[]): void;
  /** After each round; returns whether another one is needed. */
  after(): boolean;
};

export type Ticker = {
  /** Ticks until nothing needs it. */
  wake(): void;
  stop(): void;
};

/** A task that runs this long is reported as started. */
const START_REPORT_MS = 50;
const TICK_MS = 25;
const MEMORY_EVERY = 8;
/** A machine under load may keep a worker from a processor for a while. */
const DEAF_MS = 3_000;
/** A result on its way is read many rounds before. */
const THEFT_ROUNDS = 40;

/** A timer that runs only while there is something to watch. */
export function createTicker({ pool, commands, oom, reportStart, onUnstarted, after }: TickerParts): Ticker {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let round = 0;
  const thefts = new WeakMap<Worker, { task: Task; rounds: number }>();

  const watch = (task: Task, place: { name: string; memory: MemoryGuard }, kill: (reason: KillReason) => void) => {
    const ran = performance.now() - task.startedAt;
    if (ran < START_REPORT_MS && ran < task.info.timeoutMs) return;
    if (!task.startReported && !task.info.atMostOnce) {
      task.startReported = true;
      reportStart(task, place.name);
    }
    if (ran >= task.info.timeoutMs) kill({ kind: "timeout", timeoutMs: task.info.timeoutMs });
    else if (round % MEMORY_EVERY === 0 && place.memory.exceeded()) kill({ kind: "memory" });
  };
  /** What waits behind a running task can be taken back, unless user code reads the permits itself (FAULTS.md W10). */
  const watchThief = (worker: Worker, task: Task) => {
    if (worker.tasks.length === 1) {
      thefts.delete(worker);
      return;
    }
    const seen = thefts.get(worker);
    if (seen?.task !== task) thefts.set(worker, { task, rounds: 1 });
    else if (++seen.rounds > THEFT_ROUNDS) {
      pool.kill(worker, { kind: "forged", what: "it took the permits of tasks that wait behind it" }, 0);
    }
  };
  /** It has nothing to do and takes nothing up: what ended before goes on in secret. */
  const watchDeaf = (worker: Worker) => {
    const now = performance.now();
    worker.deafSince ??= now;
    if (now - worker.deafSince > DEAF_MS) {
      pool.kill(worker, { kind: "stop", why: `its worker took no task up for ${DEAF_MS} ms` }, 0);
    }
  };
  const watchWorker = (worker: Worker) => {
    const task = worker.tasks[0];
    if (!task) return;
    watch(task, worker, (reason) => pool.kill(worker, reason));
    if (performance.now() - task.startedAt <= LONG_MS) return;
    const back = takeBack(worker);
    if (back.includes(task)) watchDeaf(worker);
    else {
      worker.deafSince = undefined;
      watchThief(worker, task);
    }
    if (back.length > 0) onUnstarted(back);
  };
  const tick = () => {
    timer = undefined;
    round++;
    for (const worker of pool.workers) watchWorker(worker);
    for (const run of commands.runs.values()) {
      if (run.started) watch(run.task, run, (reason) => commands.kill(run.task, reason));
    }
    if (round % MEMORY_EVERY === 0) oom.sample();
    if (after()) wake();
  };
  const wake = () => {
    if (!stopped) timer ??= setTimeout(tick, TICK_MS);
  };
  return {
    wake,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
