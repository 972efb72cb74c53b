/** Shell commands: one process group each, its output captured, its exit code the outcome. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { decodeValue, encodeValue } from "../../protocol/payload.ts";
import type { ManagerConfig, ManagerLimits } from "../manager-config.ts";
import { WORKER_ENV } from "../manager-config.ts";
import { limitsMemory } from "./container.ts";
import { leavingSign, tookSign, whyNotStarted } from "./container-start.ts";
import { type Death, endOfDeath, type KillReason } from "./deaths.ts";
import { isExhausted, spawnWithPipes, untilPossible } from "./exhaustion.ts";
import { keepLarge } from "./large-results.ts";
import { cgroupName } from "./leftovers.ts";
import { createMemoryGuard, type MemoryGuard, type OomCount } from "./memory.ts";
import { launcherOf } from "./on-nodes.ts";
import { type Capture, createCapture, lastBytes, type OutputTail, outputBytes, outputText } from "./output.ts";
import { gpusOf, type Pinning, type Pins } from "./pins.ts";
import type { Wrap } from "./pool.ts";
import type { ReadPressure } from "./read-pressure.ts";
import { launcherEnv, scrubbedEnv } from "./scrubbed-env.ts";
import { inlineArguments, type Task, type TaskEnd } from "./task.ts";
import { fillTemplate } from "./template.ts";
import { signalGroup } from "./worker-process.ts";

export type CommandRun = {
  readonly name: string;
  readonly task: Task;
  readonly memory: MemoryGuard;
  readonly pins: Pins;
  /** its directory; of a command on several nodes, one that all of them see */
  readonly home: string;
  /** a file that is there once its container has started; undefined without a container of its own */
  sign: string | undefined;
  started: boolean;
  killed: KillReason | undefined;
  pid: number | undefined;
  outputs: { stdout: Capture; stderr: Capture };
};

export type CommandEvents = {
  /** The command has ended, or never ran; its resources are free. */
  onEnd(task: Task, end: TaskEnd, pins: Pins): void;
  /** It was given up before its start. */
  onGivenUp(task: Task, pins: Pins): void;
  /** One was started. */
  onStarted(): void;
  /** It could not be started for want of descriptors or processes, and waits again. */
  onExhausted(task: Task, pins: Pins): void;
  onOutput(task: Task, stream: "stdout" | "stderr", bytes: Uint8Array): void;
  onGroup(pid: number, alive: boolean): void;
  /** What it left behind is to be searched for, by its name. */
  onLeftovers(name: string): void;
};

export type CommandRuns = {
  readonly runs: ReadonlyMap<Task, CommandRun>;
  /** Takes a place for the task; returns the place's name. */
  reserve(task: Task, pins: Pins): string;
  start(task: Task): void;
  startAnswered(task: Task, go: boolean): boolean;
  kill(task: Task, reason: KillReason, graceMs?: number): void;
};

export type CommandOptions = {
  dir: string;
  /** where results above the inline limit are put, to be sent up */
  uploads: string;
  nonce: string;
  env: Record<string, string>;
  pinning: Pinning;
  wrap: Wrap;
  node: Pick<ManagerConfig, "capacity" | "mpi" | "sharedDir">;
  limits: ManagerLimits;
  oom: OomCount;
  onRead: ReadPressure;
};

const STDERR_WORDS = 2_048;
const DRAIN_MS = 300;
const NOT_STARTED = { started: false, killed: undefined, pid: undefined };

/** Runs commands; how many at once is the caller's business. */
export function createCommandRuns(options: CommandOptions, events: CommandEvents): CommandRuns {
  const { dir, uploads, nonce, env, limits } = options;
  const runs = new Map<Task, CommandRun>();
  let count = 0;

  const finish = (run: CommandRun, end: TaskEnd) => {
    keepLarge(end, join(uploads, run.name));
    forget(run);
    if (run.pid !== undefined) events.onGroup(run.pid, false);
    events.onLeftovers(run.name);
    events.onEnd(run.task, end, run.pins);
  };
  const forget = (run: CommandRun) => {
    runs.delete(run.task);
    run.memory.release();
    rm(run.home, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  };
  const waitAgain = (run: CommandRun) => {
    forget(run);
    events.onExhausted(run.task, run.pins);
  };

  /** In the function's container, if it has one; on several nodes that is behind the launcher. */
  const contained = ({ task, pins, home, sign }: CommandRun, command: string[], names: string[]) => {
    const { info } = task;
    const container = info.fn.definition?.container;
    if (!container) return command;
    const given = Object.keys({ ...info.fn.definition?.env, ...info.spec.env });
    const { memoryMb } = info.resources;
    const signed = sign === undefined ? command : leavingSign(command, sign);
    const own = { pins, gpus: gpusOf(options.pinning, pins), memoryMb, descriptors: 0 };
    return options.wrap(container, { command: signed, env: names, given, cwd: home, ...own });
  };
  const launch = (run: CommandRun) => {
    const { task, home } = run;
    for (const part of ["", "tmp"]) mkdirSync(join(home, part), { recursive: true, mode: 0o700 });
    const { fn, spec } = task.info;
    const onNodes = launcherOf(task, options.node, join(home, "tmp"));
    run.sign = onNodes || !fn.definition?.container ? undefined : join(dir, `${run.name}.started`);
    const childEnv = (onNodes ? launcherEnv : scrubbedEnv)(process.env, {
      ...env,
      ...task.info.coresEnv,
      ...onNodes?.env,
      ...options.pinning.env(run.pins),
      ...fn.definition?.env,
      ...spec.env,
      TMPDIR: join(home, "tmp"),
      FARCALL_TASK: task.id,
      FARCALL_ATTEMPT: String(task.attempt + 1),
      [WORKER_ENV]: `${nonce}/${run.name}`,
    });
    const inImage = (command: string[]) => contained(run, command, Object.keys(childEnv));
    const fields = { ...argumentOf(task), ...(onNodes && { launcher: [...onNodes.prefix, ...inImage([])] }) };
    const script = ["/bin/sh", "-c", fillTemplate(task.info.fn.template, fields)];
    const { processes } = run.memory;
    // Into its cgroup before it starts anything.
    const joining = ["/bin/sh", "-c", 'echo $$ > "$1" || :; shift; exec "$@"', "sh", processes ?? ""];
    const command = [...(processes === undefined ? [] : joining), ...(onNodes ? script : inImage(script))];
    const [file, ...args] = [...options.pinning.prefix(run.pins), ...command] as [string, ...string[]];
    const stdio: StdioOptions = ["ignore", "pipe", "pipe"];
    const child = spawnWithPipes(file, args, { cwd: home, detached: true, stdio, env: childEnv });
    run.pid = child.pid;
    if (child.pid !== undefined) {
      run.memory.attach(child.pid);
      events.onGroup(child.pid, true);
      events.onStarted();
    }
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.on("data", (chunk: Buffer) => {
        run.outputs[name].push(chunk);
        options.onRead(chunk.length);
        events.onOutput(task, name, chunk);
      });
      child[name]?.on("error", () => {});
    }
    whenDone(child, (exitCode, signal, error) => {
      if (isExhausted(error)) return waitAgain(run);
      const end = endOfCommand(run, { exitCode, signal, error });
      untilPossible(() => finish(run, end));
    });
  };

  const start = (task: Task) => {
    const run = runs.get(task) as CommandRun;
    run.started = true;
    task.startedAt = performance.now();
    try {
      launch(run);
    } catch (error) {
      if (isExhausted(error)) return waitAgain(run);
      const { message } = error as Error;
      finish(run, { outcome: "failed", started: false, failure: { code: "LOAD_ERROR", message }, worker: run.name });
    }
  };

  return {
    runs,
    reserve(task, pins) {
      const name = `command-${++count}`;
      const memory = createMemoryGuard(cgroupName(`${nonce}/${name}\0`), task.info.resources.memoryMb, {
        oom: options.oom,
        byRuntime: limitsMemory(task.info.fn.definition?.container),
      });
      const output = { headBytes: limits.outputHeadBytes, tailBytes: limits.outputTailBytes };
      const outputs = { stdout: createCapture(output), stderr: createCapture(output) };
      const shared = task.info.spec.resources?.nodes === undefined ? undefined : options.node.sharedDir;
      const home = shared === undefined ? join(dir, name) : join(shared, `${nonce.slice(0, 8)}-${name}`);
      runs.set(task, { name, task, home, memory, pins, outputs, sign: undefined, ...NOT_STARTED });
      return name;
    },
    start,
    startAnswered(task, go) {
      const run = runs.get(task);
      if (!run || run.started) return false;
      if (go) start(task);
      else {
        runs.delete(task);
        events.onGivenUp(task, run.pins);
      }
      return true;
    },
    kill(task, reason, graceMs = limits.killGraceMs) {
      const run = runs.get(task);
      if (!run || run.killed) return;
      const { pid } = run;
      run.killed = reason;
      if (pid === undefined) return;
      signalGroup(pid, "SIGTERM");
      setTimeout(() => {
        if (runs.get(task) === run) signalGroup(pid, "SIGKILL");
      }, graceMs).unref();
    },
  };
}

type CommandExit = {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  error: Error | undefined;
};

function endOfCommand(run: CommandRun, { exitCode, signal, error }: CommandExit): TaskEnd {
  const stdout = run.outputs.stdout.take();
  const stderr = run.outputs.stderr.take();
  const { task } = run;
  const ranMs = performance.now() - task.startedAt;
  const end = { started: true, ranMs, worker: run.name, stdout, stderr };
  const stderrTail = Buffer.from(lastBytes(stderr, STDERR_WORDS)).toString("utf8").trim();
  const container = run.sign === undefined || tookSign(run.sign) ? undefined : task.info.fn.definition?.container;
  const notStarted = error?.message ?? `exit code ${exitCode}: ${stderrTail}`;
  const message = container ? whyNotStarted(container, notStarted) : error?.message;
  if (message !== undefined && !run.killed && signal === null && exitCode !== 0)
    return { ...end, outcome: "failed", failure: { code: "LOAD_ERROR", message } };
  const memory = run.memory.atDeath(exitCode, signal);
  if (run.killed || signal !== null || memory.outOfMemory) {
    const death: Death = { exitCode, signal, killed: run.killed, stderrTail, ...memory };
    return { ...end, ...endOfDeath(death) };
  }
  if (exitCode !== 0 && !task.info.spec.allowFailure) {
    const words = stderrTail ? `: ${stderrTail}` : " and wrote nothing to stderr";
    const message = `the command ended with exit code ${exitCode}${words}`;
    return { ...end, outcome: "failed", failure: { code: "COMMAND_FAILED", message, exitCode: exitCode ?? -1 } };
  }
  return { ...end, outcome: "succeeded", ...encodeValue(commandResult(exitCode ?? 0, stdout, stderr)) };
}

function commandResult(exitCode: number, stdout: OutputTail, stderr: OutputTail): Record<string, unknown> {
  const cut = [stdout, stderr].some(({ total, head, tail }) => total > head.length + tail.length);
  const result: Record<string, unknown> = { stdout: outputText(stdout), stderr: outputText(stderr), exitCode };
  if (cut) result.truncated = true;
  const bytes = { stdoutBytes: outputBytes(stdout), stderrBytes: outputBytes(stderr) };
  for (const [name, value] of Object.entries(bytes)) if (value) result[name] = value;
  return result;
}

function argumentOf(task: Task): Record<string, unknown> {
  const bytes = task.file === undefined ? inlineArguments(task) : readFileSync(task.file);
  const args = decodeValue(task.encoding ?? "json", bytes);
  const named = (args as { kwargs?: object } | null)?.kwargs;
  if (!Array.isArray(args) && named && Object.keys(named).length > 0) {
    throw new TypeError("keyword arguments are for Python functions; pass a command its fields as one object");
  }
  const first = Array.isArray(args) ? args[0] : (args as { args?: unknown[] } | null)?.args?.[0];
  if (first === undefined || first === null) return {};
  if (typeof first === "object" && !Array.isArray(first)) return first as Record<string, unknown>;
  throw new TypeError("a command takes one argument, an object with a field for each {name} in its template");
}

function whenDone(
  child: ChildProcess,
  done: (exitCode: number | null, signal: NodeJS.Signals | null, error: Error | undefined) => void,
): void {
  let finished = false;
  const finish = (exitCode: number | null, signal: NodeJS.Signals | null, error?: Error) => {
    if (finished) return;
    finished = true;
    child.stdout?.destroy();
    child.stderr?.destroy();
    done(exitCode, signal, error);
  };
  child.on("error", (error) => {
    if (child.pid === undefined) finish(null, null, error);
  });
  child.on("close", (exitCode, signal) => finish(exitCode, signal));
  child.on("exit", (exitCode, signal) => {
    // The command's end is its shell's end: what it left running in its group goes with it.
    signalGroup(child.pid as number, "SIGKILL");
    setTimeout(() => finish(exitCode, signal), DRAIN_MS);
  });
}
