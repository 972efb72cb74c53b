/** The parts of a manager put together: tasks come in, are placed, and their ends go out. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ManagerToAgent } from "../../protocol/manager-frames.ts";
import type { HeldLease } from "../../protocol/messages.ts";
import { DEFAULT_RESOURCES } from "../../protocol/task.ts";
import { BLOCK_ENV, type ManagerConfig } from "../manager-config.ts";
import { type BlobsIn, createBlobsIn } from "./blobs-in.ts";
import { type BlobSink, type BlobsOut, createBlobsOut } from "./blobs-out.ts";
import { type CommandRuns, createCommandRuns } from "./commands.ts";
import { containersOf } from "./container-dirs.ts";
import type { Deadline } from "./deadline.ts";
import { createFunctions, type Functions } from "./functions.ts";
import { createIntake, type Intake } from "./intake.ts";
import { createOomCount } from "./memory.ts";
import { resourcesHere } from "./on-nodes.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { createPinning, NO_PINS, type Pins } from "./pins.ts";
import { createPlacement, type Placement } from "./placement.ts";
import { createPool, type Pool } from "./pool.ts";
import { createQueues, type Queues } from "./queues.ts";
import { createReadPressure } from "./read-pressure.ts";
import { createReports } from "./reports.ts";
import { createNodeResources, type NodeResources } from "./resources.ts";
import { createRuntimes } from "./runtimes.ts";
import { createStartFailures } from "./start-failures.ts";
import { mayBeTaken, TAKEN_WAIT_MS, takenEnd } from "./taken-away.ts";
import type { Task, TaskEnd } from "./task.ts";
import { coresOfTask, usualCores } from "./task-cores.ts";
import { createTicker } from "./ticker.ts";
import { createWatches, type Watches } from "./watches.ts";
import { keptOf, takeBack } from "./worker.ts";

export type EngineParts = {
  config: ManagerConfig;
  nonce: string;
  deadline: Deadline;
  link: BlobSink & {
    sendBytes(frame: Uint8Array): void;
    send(frame: ManagerToAgent, chunks?: readonly Uint8Array[]): void;
  };
  onGroup(pid: number, alive: boolean): void;
  /** Searches for what a worker or command left running, beside what stays. */
  onLeftovers(name: string, kept: ReturnType<typeof keptOf>): void;
  /** No worker of this runtime starts here. */
  onBroken(message: string): void;
};

/** What the handling of the agent's frames needs of the engine. */
export type Engine = {
  intake: Intake;
  functions: Functions;
  queues: Queues;
  pool: Pool;
  commands: CommandRuns;
  placement: Placement;
  resources: NodeResources;
  outbox: Outbox;
  blobsIn: BlobsIn;
  blobsOut: BlobsOut;
  watches: Watches;
  /** Places and sends at the end of this turn of the event loop. */
  schedule(): void;
  /** Every hand-out whose result is not in the outbox yet. */
  holds(): HeldLease[];
  /** Reports the end of a task that is still known. */
  end(task: Task, end: TaskEnd): void;
  /** Now and then: ends what has been idle for long. */
  housekeep(): void;
  /** From now on nothing new is started: what waits, and what comes later, is returned. May be called again. */
  drain(): void;
  readonly draining: () => boolean;
  /** The site ends this node's part of the block: tasks that die of it count no attempt. */
  takeAway(): void;
  /** Whether a task may be started now. */
  mayStart(): boolean;
  /** Starts a worker before it is needed, if any task could use it. */
  warmUp(): void;
  stop(): void;
  /** This node is good for nothing more. */
  broken(message: string): void;
};

/** With fewer tasks than this, every result is sent at once. */
const FEW_TASKS = 16;
/** Idle workers of several owners and runtimes may stay beside those that run, up to this many. */
const SPARE_WORKERS = 4;

/** Builds a manager's engine; it starts nothing before its first task. */
export function createEngine(parts: EngineParts): Engine {
  const { config, nonce, deadline, link } = parts;
  const { limits, capacity } = config;
  const dirs = {
    work: join(config.dir, "work"),
    blobs: join(config.dir, "blobs"),
    uploads: join(config.dir, "uploads"),
    code: join(config.cacheDir, "code"),
    compiled: join(config.cacheDir, "compiled"),
  };
  for (const dir of Object.values(dirs)) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const pinning = createPinning({ ...capacity, affinity: config.affinity, env: process.env });
  const env = {
    ...usualCores(process.env),
    ...config.env,
    [BLOCK_ENV]: `${config.endpoint}/${config.block}/${config.node}`,
  };
  let scheduled = false;
  let draining = false;
  let takenAway = false;
  /** ended, and not reported yet: why is still to be seen */
  const late = new Set<Task>();

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  const wrap = containersOf(config);
  const queues = createQueues(pinning.classOf);
  const slots = capacity.nodes ?? Math.min(config.workersPerNode, capacity.cores);
  const resources = createNodeResources(capacity, slots);
  const oom = createOomCount();
  const onRead = createReadPressure();
  const watches = createWatches(link);
  const outbox = createOutbox(link.sendBytes, () => !deadline.passed());
  const blobsOut = createBlobsOut(link);
  const reports = createReports(config.block, outbox, blobsOut);
  const runtimes = createRuntimes({ python: config.python, compileCache: dirs.compiled, onRetry: schedule });
  const functions = createFunctions(dirs.code, (id) => link.send({ kind: "need-function", function: id }));
  const blobsIn = createBlobsIn(dirs.blobs, link.send);

  const end = (task: Task, taskEnd: TaskEnd) => {
    if (takenAway || !mayBeTaken(taskEnd)) return report(task, taskEnd);
    late.add(task);
    setTimeout(report, TAKEN_WAIT_MS, task, taskEnd);
  };
  const report = (task: Task, taskEnd: TaskEnd) => {
    late.delete(task);
    if (task.dropped) return;
    intake.forget(task);
    watches.ended(task);
    reports.end(task, takenAway ? takenEnd(taskEnd) : taskEnd);
    schedule();
  };
  const intake = createIntake({
    functions,
    queues,
    blobs: blobsIn,
    resourcesHere: (asked) => resourcesHere(asked, config),
    coresEnv: (need) => coresOfTask(need, config.env),
    end,
  });
  /** Tasks that were not started wait again, unless they are no longer wanted. */
  const onUnstarted = (tasks: Task[]) => {
    const wanted = tasks.filter((task) => !task.dropped);
    if (draining) for (const task of wanted) end(task, { outcome: "returned", started: false });
    else wanted[0]?.info.queue?.unshift(wanted);
    schedule();
  };
  const onStartFailure = createStartFailures({ runtimes, queues, end, onBroken: parts.onBroken });
  const pool = createPool(
    {
      dir: dirs.work,
      uploads: dirs.uploads,
      nonce,
      env,
      commandOf: runtimes.commandOf,
      wrap,
      pinning,
      limits,
      oom,
      onRead,
    },
    {
      onEnd: end,
      onUnstarted,
      onRoom(worker) {
        placement.settle(worker);
        schedule();
      },
      onGone(worker) {
        const { reserved } = worker;
        worker.reserved = undefined;
        pinning.release(worker.pins);
        if (reserved) onUnstarted([reserved]);
        placement.settle(worker);
        schedule();
      },
      onStarted: runtimes.started,
      onStartFailure,
      onOutput: watches.output,
      onGroup: parts.onGroup,
      onLeftovers: (worker, dead) => parts.onLeftovers(worker.name, dead ? undefined : keptOf(worker)),
    },
  );
  const freeCommand = (task: Task, pins: Pins) => {
    pinning.release(pins);
    resources.release(task.info.resources);
    schedule();
  };
  const commands = createCommandRuns(
    { dir: dirs.work, uploads: dirs.uploads, nonce, env, pinning, wrap, node: config, limits, oom, onRead },
    {
      onEnd(task, taskEnd, pins) {
        freeCommand(task, pins);
        end(task, taskEnd);
      },
      onGivenUp: freeCommand,
      onStarted: () => runtimes.started("command"),
      onExhausted(task, pins) {
        runtimes.failed("command", false);
        freeCommand(task, pins);
        onUnstarted([task]);
      },
      onOutput: watches.output,
      onGroup: parts.onGroup,
      onLeftovers: (name) => parts.onLeftovers(name, undefined),
    },
  );
  const placement = createPlacement({
    queues,
    pool,
    commands,
    resources,
    pinning,
    maxWorkers: slots + Math.min(slots, SPARE_WORKERS),
    tasksPerWorker: limits.tasksPerWorker,
    mayStart: runtimes.mayStart,
    askStart: reports.start,
  });
  const ticker = createTicker({
    oom,
    pool,
    commands,
    reportStart: reports.start,
    onUnstarted,
    after() {
      schedule();
      return resources.busy() > 0 || queues.length() > 0;
    },
  });
  /** The self-fence, also of a manager that was stopped and goes on later (FAULTS.md B2). */
  const mayStart = () => !draining && !deadline.near();
  const turn = () => {
    scheduled = false;
    if (mayStart()) placement.place();
    if (resources.busy() > 0 || queues.length() > 0) ticker.wake();
    if (intake.tasks.size < FEW_TASKS) outbox.flush();
    else outbox.flushSoon();
  };

  const returnUnstarted = () => {
    for (const worker of pool.workers) {
      onUnstarted(takeBack(worker));
      const { reserved } = worker;
      worker.reserved = undefined;
      if (reserved) end(reserved, { outcome: "returned", started: false });
    }
    for (const run of commands.runs.values()) if (!run.started) commands.startAnswered(run.task, false);
    const running = new Set([...commands.runs.keys(), ...late]);
    for (const worker of pool.workers) {
      for (const task of [...worker.tasks, ...worker.marking.values()]) running.add(task);
    }
    for (const task of intake.tasks.values())
      if (!running.has(task)) end(task, { outcome: "returned", started: false });
  };

  return {
    intake,
    functions,
    queues,
    pool,
    commands,
    placement,
    resources,
    outbox,
    blobsIn,
    blobsOut,
    watches,
    schedule,
    end,
    holds: () => [...intake.tasks.values(), ...reports.uploading].map((task): HeldLease => [task.id, task.lease]),
    housekeep: () => placement.retireIdle(limits.workerIdleMs),
    drain() {
      draining = true;
      returnUnstarted();
    },
    draining: () => draining,
    takeAway() {
      takenAway = true;
    },
    mayStart,
    warmUp() {
      if (pinning.classOf(DEFAULT_RESOURCES) === "")
        pool.spawn("javascript", { memoryMb: 0, pins: NO_PINS, pinClass: "", container: undefined });
    },
    stop: ticker.stop,
    broken: parts.onBroken,
  };
}
