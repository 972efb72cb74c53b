/** One warm worker: the tasks that it holds, and what its frames and its death mean for them. */
import type { Container } from "../../protocol/function.ts";
import type { WorkerResult, WorkerTask, WorkerToManager } from "../../protocol/worker-frames.ts";
import { limitsMemory } from "./container.ts";
import { endOfDeath, type KillReason } from "./deaths.ts";
import type { Runtime } from "./functions.ts";
import { observe } from "./hold.ts";
import type { Kept } from "./leftovers.ts";
import type { MemoryGuard } from "./memory.ts";
import { lastBytes, NO_OUTPUT, type OutputTail } from "./output.ts";
import type { Pins } from "./pins.ts";
import type { Queue } from "./queues.ts";
import { joinedArguments, type Task, type TaskEnd } from "./task.ts";
import type { WorkerProcess } from "./worker-process.ts";
import { checkedFailure, resultProblem } from "./worker-results.ts";

export type WorkerEvents = {
  onReady(): void;
  onEnd(task: Task, end: TaskEnd): void;
  /** The first task may have changed: there is room, or nothing left to do. */
  onRoom(worker: Worker): void;
  onChildren(): void;
  /** It cannot go on, through no fault of what it holds. */
  onBroken(what: string): void;
};

export type Worker = {
  readonly name: string;
  readonly runtime: Runtime;
  /** its memory limit, 0 for none */
  readonly memoryMb: number;
  /** its own until it is gone: what a process has set up on a GPU cannot be moved */
  readonly pins: Pins;
  readonly pinClass: string;
  readonly container: Container | undefined;
  readonly process: WorkerProcess;
  readonly memory: MemoryGuard;
  /** which queues it may serve; undefined while it has served none */
  key: string | undefined;
  /** the queue that it serves now: it holds the resources of one of its tasks */
  queue: Queue | undefined;
  /** `unstarted`: ended by the manager before it was ready */
  state: "starting" | "ready" | "ending" | "unstarted";
  /** what it holds; the first is running */
  readonly tasks: Task[];
  /** tasks that have ended, and whose output has not come yet */
  readonly marking: Map<number, Task>;
  /** at-most-once: waits for its start to be committed */
  reserved: Task | undefined;
  idleSince: number;
  /** since when it has not taken up what it was given; then it is given one task at a time */
  deafSince: number | undefined;
  readonly functions: Set<string>;
  /** as it says itself, when it is ready; in a container of docker or podman it is none of its manager's descendants */
  ownPid: number | undefined;
  done: number;
  killed: KillReason | undefined;
};

/** How long a task's output is waited for after its result. */
const MARK_WAIT_MS = 1_000;
const STDERR_WORDS = 2_048;

/** Hands tasks to a worker that has room for them. Says no where user code has filled the pipe of permits: none was started. */
export function handTasks(worker: Worker, tasks: readonly Task[], state: HandOver): boolean {
  const entries: WorkerTask[] = [];
  const numbers: number[] = [];
  const now = performance.now();
  for (const task of tasks) {
    task.n = ++state.lastNumber;
    task.startedAt = now;
    numbers.push(task.n);
    const entry: WorkerTask = { n: task.n, id: task.id, call: callOf(worker, task, state), attempt: task.attempt };
    if (task.encoding && task.encoding !== "json") entry.encoding = task.encoding;
    if (task.file !== undefined) entry.file = task.file;
    else entry.length = task.length;
    entries.push(entry);
    worker.tasks.push(task);
  }
  if (!worker.process.permits.grant(numbers)) {
    worker.tasks.splice(-tasks.length);
    for (const task of tasks) task.n = 0;
    return false;
  }
  worker.process.send({ kind: "tasks", tasks: entries }, joinedArguments(tasks));
  return true;
}

/** What was told to one worker: numbers of tasks, and of calls by spec. */
export type HandOver = { lastNumber: number; calls: Map<object, number> };

function callOf(worker: Worker, { info }: Task, { calls }: HandOver): number {
  let call = calls.get(info);
  if (call === undefined) {
    const { fn, spec } = info;
    call = calls.size + 1;
    calls.set(info, call);
    worker.functions.add(fn.id);
    const env = { ...info.coresEnv, ...fn.definition?.env, ...spec.env };
    worker.process.send({
      kind: "call",
      call,
      file: fn.file,
      entry: fn.definition?.entry ?? "default",
      ...(Object.keys(env).length > 0 ? { env } : {}),
    });
  }
  return call;
}

/** Takes back what the worker has not started, in order. */
export function takeBack(worker: Worker): Task[] {
  const numbers = new Set(worker.process.permits.takeBack());
  if (numbers.size === 0) return [];
  const back = worker.tasks.filter((task) => numbers.has(task.n));
  const kept = worker.tasks.filter((task) => !numbers.has(task.n));
  worker.tasks.splice(0, worker.tasks.length, ...kept);
  for (const task of back) task.n = 0;
  return back;
}

/** Takes a frame of the worker; returns what is wrong with it, if anything is. */
export function onWorkerFrame(
  worker: Worker,
  frame: WorkerToManager,
  body: Uint8Array,
  events: WorkerEvents,
): string | undefined {
  if (frame?.token !== worker.process.token) return "a frame without its token came from it";
  if ("kind" in frame) {
    if (frame.kind !== "ready") return onTrouble(worker, frame, events);
    if (worker.state !== "starting") return "it said ready twice";
    worker.state = "ready";
    worker.ownPid = frame.pid;
    events.onReady();
    return undefined;
  }
  const task = worker.tasks[0];
  if (!task || task.n !== frame.n) return "it reported a task that it was not running";
  const problem = resultProblem(frame, body);
  if (problem) return problem;
  worker.tasks.shift();
  worker.done++;
  worker.deafSince = undefined;
  const next = worker.tasks[0];
  if (next) next.startedAt = performance.now();
  observe(task.info.fn.time, frame.ms);
  const end = endOfResult(worker, frame, body);
  if (frame.children) {
    task.info.fn.time.spawns = true;
    events.onChildren();
  }
  if (frame.marked) withMarkedOutput(worker, task, end, () => events.onEnd(task, end));
  else {
    const { stdout, stderr } = worker.process.outputs;
    end.stdout = stdout.unmarked();
    end.stderr = stderr.unmarked();
    events.onEnd(task, end);
  }
  events.onRoom(worker);
  return undefined;
}

/** What stays of it while what its tasks left is ended. */
export function keptOf({ process, container, ownPid }: Worker): Kept | undefined {
  if (!limitsMemory(container)) return process.pid === undefined ? undefined : { worker: process.pid };
  return ownPid === undefined || process.pid === undefined ? undefined : { worker: ownPid, client: process.pid };
}

/** Tells what is so for a moment from what user code has done to the descriptors. */
function onTrouble(
  { tasks, process }: Worker,
  frame: Exclude<WorkerToManager, WorkerResult | { kind: "ready" }>,
  events: WorkerEvents,
): string | undefined {
  if (frame.kind === "broken") events.onBroken(String(frame.what).slice(0, 200));
  else if (frame.kind !== "stuck") return "a frame of no known kind came from it";
  else if (frame.awaits && tasks.some(({ n }) => n === frame.n)) process.send({ kind: "sent", n: frame.n });
  else if (frame.awaits) events.onBroken("a permit came that was not given");
  else if (tasks.some(({ n }) => n <= frame.n)) events.onBroken("permits were taken by somebody else");
  return undefined;
}

function endOfResult(worker: Worker, frame: WorkerResult, body: Uint8Array): TaskEnd {
  const end: TaskEnd = { outcome: "succeeded", started: true, ranMs: frame.ms, worker: worker.name };
  if (frame.failure !== undefined && frame.failure !== null) {
    end.outcome = "failed";
    end.failure = checkedFailure(frame.failure);
    return end;
  }
  end.encoding = frame.encoding;
  if (frame.file === undefined) end.bytes = body;
  else {
    try {
      end.file = worker.process.takeFile(frame.n);
    } catch (error) {
      end.outcome = "failed";
      end.failure = { code: "INTERNAL", message: `its result was not found: ${(error as Error).message}` };
    }
  }
  return end;
}

function withMarkedOutput(worker: Worker, task: Task, end: TaskEnd, done: () => void): void {
  let open = 2;
  const { n } = task;
  worker.marking.set(n, task);
  for (const name of ["stdout", "stderr"] as const) {
    worker.process.outputs[name].until(n, MARK_WAIT_MS, (output) => {
      end[name] = output;
      if (--open > 0) return;
      worker.marking.delete(n);
      done();
    });
  }
}

/** Whose output comes from a worker now. */
export function writingTask(worker: Worker, stream: "stdout" | "stderr"): Task | undefined {
  const n = worker.process.outputs[stream].waiting();
  return n === undefined ? worker.tasks[0] : worker.marking.get(n);
}

/** Splits what a dead worker held: the end of what it had started, and the tasks that it had not. */
export function onWorkerDeath(
  worker: Worker,
  exitCode: number | null,
  signal: NodeJS.Signals | null,
): { started: Task | undefined; end: TaskEnd; unstarted: Task[]; stderr: string } {
  const unstarted = takeBack(worker);
  const [started, ...rest] = worker.tasks.splice(0);
  const stdout: OutputTail = worker.process.outputs.stdout.end();
  const stderr: OutputTail = worker.process.outputs.stderr.end() ?? NO_OUTPUT;
  const words = new TextDecoder().decode(lastBytes(stderr, STDERR_WORDS)).trim();
  const memory = worker.memory.atDeath(exitCode, signal);
  const death = { exitCode, signal, killed: worker.killed, stderrTail: words, ...memory };
  const ranMs = started ? performance.now() - started.startedAt : 0;
  const end: TaskEnd = { ...endOfDeath(death), started: true, ranMs, worker: worker.name, stdout, stderr };
  // Counted as a hand-out, so that one which tampers with its own is not handed out for ever.
  if (worker.killed?.kind === "broken" && started && !started.info.atMostOnce) {
    Object.assign(end, { outcome: "returned", started: false, failure: undefined });
  }
  return { started, end, unstarted: [...rest, ...unstarted], stderr: words };
}
