/** Starts a worker process and speaks its frames (worker-frames.ts); knows nothing of tasks' owners or queues. */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { createFrameReader, encodeFrame, type Frame } from "../../protocol/frame.ts";
import { BLOB_LIMIT_BYTES, INLINE_LIMIT_BYTES } from "../../protocol/task.ts";
import type { ManagerToWorker } from "../../protocol/worker-frames.ts";
import { spawnWithPipes } from "./exhaustion.ts";
import { createMarkedStream, type MarkedStream } from "./marked-stream.ts";
import { type NamedPipes, openNamedPipes } from "./named-pipes.ts";
import type { OutputLimits } from "./output.ts";
import { createPermits, type Permits } from "./permits.ts";
import type { ReadPressure } from "./read-pressure.ts";

/** How a kind of worker is started. */
export type WorkerCommand = { file: string; args: string[]; env?: Record<string, string> };

export type WorkerProcessOptions = {
  command: WorkerCommand;
  /** 0700, made here and removed after the end */
  dir: string;
  /** 0700; large results are moved there, as they outlive the worker */
  uploads: string;
  env: Record<string, string>;
  output: OutputLimits;
  onRead: ReadPressure;
  /** it inherits no descriptors, and finds named pipes in `dir`, which is its last argument */
  byName: boolean;
};

export type WorkerProcessEvents = {
  onFrame(frame: Frame): void;
  /** What came on the results' descriptor is not a frame, or a descriptor was closed while the process goes on. */
  onGarbage(error: Error): void;
  onOutput(stream: "stdout" | "stderr", bytes: Uint8Array): void;
  /** The process has ended and all that it wrote has come. */
  onExit(exitCode: number | null, signal: NodeJS.Signals | null, error: Error | undefined): void;
};

export type WorkerProcess = {
  /** undefined when it could not be started */
  readonly pid: number | undefined;
  readonly token: string;
  readonly permits: Permits;
  readonly outputs: { stdout: MarkedStream; stderr: MarkedStream };
  send(frame: ManagerToWorker, chunks?: readonly Uint8Array[]): void;
  /** Signals the whole process group. */
  signal(signal: NodeJS.Signals): void;
  /** Moves the large result of task `n` away from the worker; returns its new path. */
  takeFile(n: number): string;
  /** Lets it end by itself: no more tasks will come. */
  finish(): void;
};

/** How long what a dead worker wrote is waited for; only a descendant that left its group holds the pipes open. */
const DRAIN_MS = 300;
/** A process that ends closes its descriptors before its end is seen. */
const CLOSED_MS = 500;
/** The client of a daemon ends when the daemon has taken the container away. */
const CLIENT_CLOSED_MS = 20_000;
const MAX_FRAME_BYTES = INLINE_LIMIT_BYTES + 256 * 1024;

/** Starts the process in a group of its own. */
export function startWorkerProcess(
  { command, dir, uploads, env, output, onRead, byName }: WorkerProcessOptions,
  events: WorkerProcessEvents,
): WorkerProcess {
  for (const part of ["", "cwd", "tmp", "out"]) mkdirSync(join(dir, part), { recursive: true, mode: 0o700 });
  const permits = createPermits(dir, byName ? [] : undefined);
  const token = randomBytes(16).toString("hex");
  const mark = `\u0000${randomBytes(12).toString("hex")}:`;
  const { child, pipes } = startWith(permits, byName ? dir : undefined, (pipes) =>
    spawnWithPipes(command.file, command.args, {
      cwd: join(dir, "cwd"),
      env: { ...env, ...command.env, TMPDIR: join(dir, "tmp") },
      detached: true,
      stdio: ["ignore", "pipe", "pipe", ...(pipes ? [] : ["pipe" as const, "pipe" as const, permits.childFd])],
    }),
  );
  const tasks = pipes?.tasks ?? (child.stdio[3] as Socket);
  const results = pipes?.results ?? (child.stdio[4] as Socket);
  results.once("data", () => pipes?.passed());
  child.once("exit", () => pipes?.passed());
  const outputs = {
    stdout: createMarkedStream(mark, output, (bytes) => events.onOutput("stdout", bytes)),
    stderr: createMarkedStream(mark, output, (bytes) => events.onOutput("stderr", bytes)),
  };
  // A worker that died meanwhile is seen by its exit.
  for (const stream of [...child.stdio, tasks, results]) stream?.on("error", () => {});
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk: Buffer) => {
      outputs[name].push(chunk);
      onRead(chunk.length);
    });
  }
  const reader = createFrameReader(MAX_FRAME_BYTES);
  results.on("data", (chunk: Buffer) => {
    let frames: Frame[];
    try {
      frames = reader.push(chunk);
    } catch (error) {
      results.removeAllListeners("data");
      results.resume();
      events.onGarbage(error as Error);
      return;
    }
    for (const frame of frames) events.onFrame(frame);
  });

  for (const stream of [tasks, results]) {
    stream.on("close", () => {
      // At its end they close too, a moment before or after it is seen.
      const closed = () => events.onGarbage(new Error("it closed the way to its manager"));
      const late = setTimeout(closed, pipes ? CLIENT_CLOSED_MS : CLOSED_MS).unref();
      child.once("exit", () => clearTimeout(late));
      if (child.exitCode !== null || child.signalCode !== null) clearTimeout(late);
    });
  }

  const signal = (name: NodeJS.Signals) => {
    // Its number may belong to another process later.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) signalGroup(child.pid, name);
  };
  whenGone(child, [results, child.stdout, child.stderr], (exitCode, ended, error) => {
    pipes?.passed();
    for (const stream of [tasks, results]) stream.destroy();
    permitsLeft(permits, () => events.onExit(exitCode, ended, error));
    // What cannot be removed now goes with the manager's directory.
    rm(dir, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  });

  const send = (frame: ManagerToWorker, chunks?: readonly Uint8Array[]) => {
    if (tasks.writable) tasks.write(encodeFrame(frame, chunks));
  };
  send({
    kind: "setup",
    token,
    mark,
    dir: join(dir, "out"),
    inlineLimit: INLINE_LIMIT_BYTES,
    blobLimit: BLOB_LIMIT_BYTES,
  });
  const finish = () => {
    // Whichever of the two it waits for has ended.
    permits.close();
    tasks.end();
  };
  const takeFile = (n: number) => {
    const file = join(dir, "out", `result-${n}`);
    if (!lstatSync(file).isFile()) throw new Error("what the worker left as its result is no file");
    const target = join(uploads, `${basename(dir)}-${n}`);
    renameSync(file, target);
    return target;
  };
  return { pid: child.pid, token, permits, outputs, send, signal, takeFile, finish };
}

/** Signals a process group; that it is gone already is no error. */
export function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // ESRCH
  }
}

/** The process gets its end of the permits; without a process nobody needs them. Makes named pipes in `dir`, if it is given. */
function startWith(
  permits: Permits,
  dir: string | undefined,
  start: (pipes: NamedPipes | undefined) => ChildProcess,
): { child: ChildProcess; pipes: NamedPipes | undefined } {
  let pipes: NamedPipes | undefined;
  try {
    pipes = dir === undefined ? undefined : openNamedPipes(dir);
    return { child: start(pipes), pipes };
  } catch (error) {
    pipes?.passed();
    for (const stream of [pipes?.tasks, pipes?.results]) stream?.destroy();
    permits.close();
    throw error;
  } finally {
    permits.passed();
  }
}

/** The listener reads which permits are left, so the pipe closes after it. */
function permitsLeft(permits: Permits, listener: () => void): void {
  try {
    listener();
  } finally {
    permits.close();
  }
}

function whenGone(
  child: ChildProcess,
  streams: (Readable | null)[],
  done: (exitCode: number | null, signal: NodeJS.Signals | null, error: Error | undefined) => void,
): void {
  let finished = false;
  const finish = (exitCode: number | null, signal: NodeJS.Signals | null, error?: Error) => {
    if (finished) return;
    finished = true;
    for (const stream of child.stdio) stream?.destroy();
    done(exitCode, signal, error);
  };
  child.on("error", (error) => {
    if (child.pid === undefined) finish(null, null, error);
  });
  child.on("exit", (exitCode, signal) => {
    // Children that it left in its group hold the pipes; they go with it.
    signalGroup(child.pid as number, "SIGKILL");
    let open = 0;
    const closed = () => {
      if (--open === 0) finish(exitCode, signal);
    };
    for (const stream of streams) {
      if (!stream || stream.closed || stream.destroyed) continue;
      open++;
      stream.once("close", closed);
    }
    if (open === 0) finish(exitCode, signal);
    else setTimeout(() => finish(exitCode, signal), DRAIN_MS);
  });
}
