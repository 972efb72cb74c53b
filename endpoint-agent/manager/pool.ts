/** The worker processes of one node: started, killed, retired; who they serve is decided in placement.ts. */
import { dirname, join } from "node:path";
import type { Frame } from "../../protocol/frame.ts";
import type { Container } from "../../protocol/function.ts";
import type { WorkerToManager } from "../../protocol/worker-frames.ts";
import type { ManagerLimits } from "../manager-config.ts";
import { WORKER_ENV } from "../manager-config.ts";
import { type ContainerRequest, isStartedByDaemon, limitsMemory } from "./container.ts";
import type { KillReason } from "./deaths.ts";
import { isExhausted } from "./exhaustion.ts";
import type { Runtime } from "./functions.ts";
import { cgroupName } from "./leftovers.ts";
import { createMemoryGuard, type OomCount } from "./memory.ts";
import { gpusOf, type Pinning, type Pins } from "./pins.ts";
import type { ReadPressure } from "./read-pressure.ts";
import { scrubbedEnv } from "./scrubbed-env.ts";
import type { Task, TaskEnd } from "./task.ts";
import {
  type HandOver,
  handTasks,
  onWorkerDeath,
  onWorkerFrame,
  takeBack,
  type Worker,
  writingTask,
} from "./worker.ts";
import { startWorkerProcess, type WorkerCommand } from "./worker-process.ts";

/** Puts a command into a function's container, with what every container of this manager gets. */
export type Wrap = (container: Container, request: Omit<ContainerRequest, "dirs" | "user">) => string[];

export type PoolOptions = {
  /** 0700, of this manager: workers' directories, and large results on their way */
  dir: string;
  uploads: string;
  nonce: string;
  /** added to the scrubbed environment */
  env: Record<string, string>;
  commandOf(runtime: Runtime, options: { memoryMb: number; inImage: boolean }): WorkerCommand;
  wrap: Wrap;
  pinning: Pinning;
  limits: ManagerLimits;
  oom: OomCount;
  onRead: ReadPressure;
};

/** `missing`: its interpreter, or what runs containers, is not there at all. `exhausted`: there was no descriptor or process for it. */
export type StartFailure = { missing: boolean; exhausted: boolean; container: Container | undefined };

export type PoolEvents = {
  /** A task ended, or came back unstarted from a worker's death. */
  onEnd(task: Task, end: TaskEnd): void;
  onUnstarted(tasks: Task[]): void;
  /** There may be room: place again. */
  onRoom(worker: Worker): void;
  onGone(worker: Worker): void;
  /** A worker did not start; `missing` says that its interpreter is not there at all. */
  onStartFailure(runtime: Runtime, message: string, how: StartFailure): void;
  onStarted(runtime: Runtime): void;
  onOutput(task: Task, stream: "stdout" | "stderr", bytes: Uint8Array): void;
  /** A process group begins or is gone: the watchdog's list. */
  onGroup(pid: number, alive: boolean): void;
  /** What a task or a dead worker left behind is to be searched for. */
  onLeftovers(worker: Worker, dead: boolean): void;
};

/** A container's image may have to be fetched first. */
const IMAGE_FACTOR = 20;

/** What a worker process is started with, and keeps. */
export type WorkerKind = { memoryMb: number; pins: Pins; pinClass: string; container: Container | undefined };

export type Pool = {
  readonly workers: readonly Worker[];
  /** undefined when it could not even be tried, which counts as a failed start. */
  spawn(runtime: Runtime, kind: WorkerKind): Worker | undefined;
  hand(worker: Worker, tasks: readonly Task[]): void;
  kill(worker: Worker, reason: KillReason, graceMs?: number): void;
  /** Ends an idle worker. */
  retire(worker: Worker): void;
};

/** Starts nothing by itself. */
export function createPool(options: PoolOptions, events: PoolEvents): Pool {
  const { dir, nonce, limits } = options;
  const workers: Worker[] = [];
  const handOvers = new WeakMap<Worker, HandOver>();
  let count = 0;

  const kill = (worker: Worker, reason: KillReason, graceMs = limits.killGraceMs) => {
    if (worker.killed) return;
    worker.killed = reason;
    worker.state = worker.state === "starting" ? "unstarted" : "ending";
    // Before the signal: what it has not started must not die with it.
    const unstarted = takeBack(worker);
    if (unstarted.length > 0) events.onUnstarted(unstarted);
    worker.process.signal("SIGTERM");
    setTimeout(() => worker.process.signal("SIGKILL"), graceMs).unref();
  };
  const retire = (worker: Worker) => {
    worker.state = "ending";
    worker.process.finish();
    setTimeout(() => worker.process.signal("SIGKILL"), limits.killGraceMs).unref();
  };
  const gone = (worker: Worker, exitCode: number | null, signal: NodeJS.Signals | null, error: Error | undefined) => {
    workers.splice(workers.indexOf(worker), 1);
    const starting = worker.state === "starting" || worker.state === "unstarted";
    const { started, end, unstarted, stderr } = onWorkerDeath(worker, exitCode, signal);
    worker.state = "ending";
    if (worker.process.pid !== undefined) events.onGroup(worker.process.pid, false);
    events.onLeftovers(worker, true);
    worker.memory.release();
    if (started) events.onEnd(started, end);
    if (unstarted.length > 0) events.onUnstarted(unstarted);
    events.onGone(worker);
    if (!starting) return;
    const words = error?.message ?? `exit code ${exitCode}, signal ${signal}; ${stderr}`;
    const missing = (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    events.onStartFailure(worker.runtime, words, {
      missing,
      exhausted: isExhausted(error),
      container: worker.container,
    });
  };

  /** As it is on the node: in its container, if it has one, and on its cores. */
  const commandFor = (
    { memoryMb, pins, container }: WorkerKind,
    { runtime, env, cwd }: { runtime: Runtime; env: Record<string, string>; cwd: string },
  ): WorkerCommand => {
    const command = options.commandOf(runtime, { memoryMb, inImage: container !== undefined });
    const byName = isStartedByDaemon(container);
    const argv = [command.file, ...command.args, ...(byName ? [dirname(cwd)] : [])];
    const names = [...Object.keys(env), "TMPDIR"];
    const request = {
      command: argv,
      env: names,
      given: [],
      cwd,
      pins,
      gpus: gpusOf(options.pinning, pins),
      memoryMb,
      descriptors: byName ? 0 : 3,
    };
    const wrapped = container ? options.wrap(container, request) : argv;
    const [file, ...args] = [...options.pinning.prefix(pins), ...wrapped];
    return { ...command, file: file as string, args };
  };
  const spawn = (runtime: Runtime, { memoryMb, pins, pinClass, container }: WorkerKind): Worker => {
    const name = `${runtime}-${++count}`;
    const env = scrubbedEnv(process.env, {
      ...options.env,
      ...options.pinning.env(pins),
      [WORKER_ENV]: `${nonce}/${name}`,
    });
    const memory = createMemoryGuard(cgroupName(`${nonce}/${name}\0`), memoryMb, {
      oom: options.oom,
      byRuntime: limitsMemory(container),
    });
    const worker: Worker = {
      name,
      runtime,
      memory,
      memoryMb,
      pins,
      pinClass,
      container,
      key: undefined,
      queue: undefined,
      state: "starting",
      tasks: [],
      marking: new Map(),
      reserved: undefined,
      idleSince: performance.now(),
      deafSince: undefined,
      functions: new Set(),
      ownPid: undefined,
      done: 0,
      killed: undefined,
      process: startWorkerProcess(
        {
          command: commandFor({ memoryMb, pins, container, pinClass }, { runtime, env, cwd: join(dir, name, "cwd") }),
          dir: join(dir, name),
          uploads: options.uploads,
          env,
          onRead: options.onRead,
          byName: isStartedByDaemon(container),
          output: { headBytes: limits.outputHeadBytes, tailBytes: limits.outputTailBytes },
        },
        {
          onFrame({ header, body }: Frame) {
            if (worker.killed?.kind === "forged" || worker.killed?.kind === "broken") return;
            const wrong = onWorkerFrame(worker, header as WorkerToManager, body, workerEvents);
            if (wrong) kill(worker, { kind: "forged", what: wrong }, 0);
          },
          onGarbage: (error) => kill(worker, { kind: "forged", what: error.message }, 0),
          onOutput(stream, bytes) {
            const task = writingTask(worker, stream);
            if (task) events.onOutput(task, stream, bytes);
          },
          onExit: (exitCode, signal, error) => gone(worker, exitCode, signal, error),
        },
      ),
    };
    const slow = setTimeout(
      () => {
        if (worker.state === "starting") kill(worker, { kind: "stop", why: "it did not start in time" }, 0);
      },
      limits.workerStartMs * (container ? IMAGE_FACTOR : 1),
    );
    slow.unref();
    const workerEvents = {
      onReady() {
        clearTimeout(slow);
        events.onStarted(runtime);
        events.onRoom(worker);
      },
      onEnd: events.onEnd,
      onRoom: events.onRoom,
      onBroken: (what: string) => kill(worker, { kind: "broken", what }, 0),
      onChildren: () => events.onLeftovers(worker, false),
    };
    handOvers.set(worker, { lastNumber: 0, calls: new Map() });
    workers.push(worker);
    if (worker.process.pid !== undefined) {
      memory.attach(worker.process.pid);
      events.onGroup(worker.process.pid, true);
    }
    return worker;
  };

  return {
    workers,
    spawn(runtime, kind) {
      try {
        return spawn(runtime, kind);
      } catch (error) {
        // A full disk, or no descriptor left: the manager itself goes on.
        const how = { missing: false, exhausted: isExhausted(error), container: kind.container };
        events.onStartFailure(runtime, (error as Error).message, how);
        return undefined;
      }
    },
    hand(worker, tasks) {
      if (handTasks(worker, tasks, handOvers.get(worker) as HandOver)) return;
      kill(worker, { kind: "forged", what: "it filled the pipe of permits" }, 0);
      events.onUnstarted([...tasks]);
    },
    kill,
    retire,
  };
}
