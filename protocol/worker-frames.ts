/**
 * The frames between a manager and a worker process: the worker reads them from file descriptor 3 and writes them, blocking
 * and one after the other, to descriptor 4. stdout and stderr stay the user's. docs/frames.md specifies them for workers in
 * other languages.
 *
 * A worker runs its tasks in the order they came, and writes each result before it starts the next. Descriptor 5 is a pipe
 * of permits: before each start the worker reads one (4 bytes, the task's number, big-endian). The manager keeps that pipe's
 * reading end too, so it takes tasks back by reading their permits: the kernel decides who got one, also while user code
 * blocks the worker. After a worker's death the permits left say what was never started (FAULTS.md W1).
 */
import type { Encoding, TaskFailure } from "./task.ts";

export type ManagerToWorker =
  /** first: how the worker is to behave. `token` must come back with every frame (FAULTS.md W10) */
  | {
      kind: "setup";
      token: string;
      /** what the worker writes to stdout and stderr after a task's output, followed by the number as 8 hex digits and "\n" */
      mark: string;
      /** where results above `inlineLimit` are written */
      dir: string;
      inlineLimit: number;
      blobLimit: number;
    }
  /** code that the following tasks name by `call`; `file` is on this node, `entry` names the export or function */
  | { kind: "call"; call: number; file: string; entry: string; env?: Record<string, string> }
  /** body: the arguments, in order */
  | { kind: "tasks"; tasks: WorkerTask[] }
  /** answers `stuck` with `awaits`: the frame with task `n` was sent before this one */
  | { kind: "sent"; n: number };

export type WorkerTask = {
  /** counts up within a worker: the permit that starts this task. A permit drops all tasks of lower numbers */
  n: number;
  id: string;
  call: number;
  attempt: number;
  encoding?: Encoding;
  length?: number;
  /** instead of `length`: the file that holds a payload above the inline limit */
  file?: string;
};

export type WorkerToManager =
  | { kind: "ready"; token: string; runtime: string; version: string; pid: number }
  /**
   * Said once when nothing can be started though it should be: there is no permit for the tasks up to `n`, all of which it holds; or,
   * with `awaits`, task `n` has a permit and has not come. Either is so for a moment when tasks are taken back or are on
   * their way; else user code has taken from the descriptors what was not its own (FAULTS.md W10)
   */
  | { kind: "stuck"; token: string; n: number; awaits?: true }
  /** what it reads makes no sense: nothing that it holds was started, and nothing will be */
  | { kind: "broken"; token: string; what: string }
  /** how a task ended; the body is the result's bytes. `kind` is absent, as there are many */
  | WorkerResult;

export type WorkerResult = {
  n: number;
  token: string;
  /** milliseconds that the function ran */
  ms: number;
  encoding?: Encoding;
  /** the result is in this file of `dir`, not in the body */
  file?: string;
  size?: number;
  failure?: TaskFailure;
  /** the task wrote output, and the mark was written after the last of it */
  marked?: boolean;
  /** the task started processes, which may be left over */
  children?: boolean;
};
