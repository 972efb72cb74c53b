/**
 * The frames between a manager and a worker process: the worker reads them from file descriptor 3 and writes them, blocking
 * and one after the other, to descriptor 4. stdout and stderr stay the user's. docs/frames.md specifies them for workers in
 * other languages.
 *
 * A worker runs its tasks in the order they came. It writes each result before it starts the next task, so after its death
 * the first task without a result is the one that was started, and the rest were not (PROTOCOL.md, FAULTS.md W1).
 */
import type { Encoding, TaskFailure } from "./task.ts";

export type ManagerToWorker =
  /** first: how the worker is to behave. `token` must come back with every frame (FAULTS.md W10) */
  | { kind: "setup"; token: string; cacheDir: string; inlineLimit: number; blobLimit: number }
  /** code to keep; `file` is on this node, `entry` names the export or function */
  | { kind: "function"; function: string; file: string; entry: string; env?: Record<string, string> }
  /** body: the arguments, in order. `file` instead of `length` for a payload above the inline limit */
  | {
      kind: "tasks";
      tasks: {
        id: string;
        lease: number;
        function: string;
        encoding?: Encoding;
        length?: number;
        file?: string;
        env?: Record<string, string>;
        attempt: number;
      }[];
    }
  /** give back what is not started; answered with `gave-back` as soon as the worker can read it */
  | { kind: "give-back" };

export type WorkerToManager =
  | { kind: "ready"; token: string; runtime: string; version: string; pid: number }
  /** body: the result's bytes; `file` when it is above the inline limit */
  | {
      kind: "result";
      token: string;
      id: string;
      lease: number;
      encoding?: Encoding;
      file?: string;
      size?: number;
      failure?: TaskFailure;
      ranMs: number;
      /** the task wrote output: `marker` was written to stdout and stderr after the last of it */
      marker?: string;
    }
  | { kind: "gave-back"; token: string; leases: [string, number][] };
