/** Starts one long-running process: its ready line, its log file, its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { ApiError } from "../protocol/errors.ts";
import type { Environment } from "./directories.ts";
import { createEscalation } from "./escalation.ts";
import { lastWordsIn, saidIn } from "./last-words.ts";

export type ProcessSpec = {
  name: string;
  file: string;
  args: readonly string[];
  env?: Environment;
  cwd?: string;
  /** stderr is appended here; stdout too when the process says nothing on it */
  logFile: string;
  /**
   * Decides that the process is ready: `line` waits for one JSON line with `ready: true` on stdout; a function is asked
   * until it no longer throws.
   */
  ready: "line" | (() => Promise<Record<string, unknown>>);
  readyTimeoutMs: number;
};

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type RunningProcess = {
  name: string;
  pid: number;
  /** resolves with what the ready line or the check said */
  ready: Promise<Record<string, unknown>>;
  exited: Promise<Exit>;
  /** SIGTERM, again after `graceMs`, then SIGKILL; resolves at the end. */
  stop(graceMs: number): Promise<Exit>;
  kill(): Promise<Exit>;
};

/** A process that ended, or said nothing, before it was ready; `said` is the error that it gave as its reason. */
export class StartError extends Error {
  readonly part: string;
  readonly logFile: string;
  readonly exit: Exit | undefined;
  readonly said: ApiError | undefined;
  constructor(
    message: string,
    facts: { part: string; logFile: string; exit?: Exit | undefined; said?: ApiError | undefined },
  ) {
    super(message);
    this.name = "StartError";
    this.part = facts.part;
    this.logFile = facts.logFile;
    this.exit = facts.exit;
    this.said = facts.said;
  }
}

/**
 * Starts a process in a session of its own, so that Ctrl-C at the terminal reaches only the supervisor. It is killed when it
 * does not become ready; `ready` then rejects. Throws StartError when there is no such program.
 */
export async function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  const log = openSync(spec.logFile, "a", 0o600);
  const from = fstatSync(log).size;
  const stdout = spec.ready === "line" ? ("pipe" as const) : log;
  const child = spawn(spec.file, spec.args, {
    detached: true,
    stdio: ["ignore", stdout, log],
    env: (spec.env ?? process.env) as NodeJS.ProcessEnv,
    ...(spec.cwd ? { cwd: spec.cwd } : {}),
  });
  closeSync(log);
  const exited = new Promise<Exit>((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
    child.on("error", () => resolve({ code: null, signal: null }));
  });
  if (child.pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.on("error", resolve));
    throw new StartError(`${spec.name} could not be started: ${cause.message}`, factsOf(spec));
  }
  const running = { name: spec.name, pid: child.pid, exited, ...stopping(child, exited) };
  const early = exited.then((exit) => endedEarly(spec, exit, from));
  const ready = withDeadline(Promise.race([waitUntilReady(spec, child), early]), spec).catch(async (error: unknown) => {
    await running.kill();
    throw error;
  });
  // Whoever asks for it is told; nobody need ask.
  ready.catch(() => {});
  early.catch(() => {});
  return { ...running, ready };
}

function factsOf({ name, logFile }: ProcessSpec): { part: string; logFile: string } {
  return { part: name, logFile };
}

function stopping(child: ChildProcess, exited: Promise<Exit>): Pick<RunningProcess, "stop" | "kill"> {
  const escalation = createEscalation((signal) => void child.kill(signal));
  void exited.then(escalation.over);
  return {
    kill() {
      child.kill("SIGKILL");
      return exited;
    },
    stop(graceMs) {
      escalation.begin(graceMs);
      return exited;
    },
  };
}

async function waitUntilReady(spec: ProcessSpec, child: ChildProcess): Promise<Record<string, unknown>> {
  if (spec.ready !== "line") return pollUntilReady(spec.ready, child);
  return new Promise((resolve) => {
    // The reader stays: a pipe that nobody empties would stop the process one day.
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      const message = parseLine(line);
      if (message?.ready === true) resolve(message);
    });
  });
}

async function pollUntilReady(
  check: () => Promise<Record<string, unknown>>,
  child: ChildProcess,
): Promise<Record<string, unknown>> {
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 100)) {
    try {
      return await check();
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

async function withDeadline<T>(work: Promise<T>, spec: ProcessSpec): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${spec.name} was not ready within ${spec.readyTimeoutMs / 1000} s; its log is ${spec.logFile}`;
    timer = setTimeout(() => reject(new StartError(message, factsOf(spec))), spec.readyTimeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function endedEarly(spec: ProcessSpec, exit: Exit, from: number): never {
  const how = exit.signal ? `by ${exit.signal}` : `with code ${exit.code}`;
  const log = readFileSync(spec.logFile).subarray(from).toString("utf8");
  const words = lastWordsIn(log);
  const why = words === "" ? "" : `: ${words}`;
  const message = `${spec.name} ended ${how} before it was ready${why}; its log is ${spec.logFile}`;
  throw new StartError(message, { part: spec.name, logFile: spec.logFile, exit, said: saidIn(log) });
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
