/** A task while it is with this manager. */
import type { LeaseSpec } from "../../protocol/batch.ts";
import type { Encoding, Resources, TaskFailure } from "../../protocol/task.ts";
import type { KnownFunction } from "./functions.ts";
import type { OutputTail } from "./output.ts";
import type { Queue } from "./queues.ts";

/** What the tasks of one spec have in common. */
export type SpecInfo = {
  spec: LeaseSpec;
  fn: KnownFunction;
  resources: Resources;
  /** tells it of its cores, if these are not one */
  coresEnv: Record<string, string> | undefined;
  atMostOnce: boolean;
  timeoutMs: number;
  /** where its tasks wait; known once the function's runtime is */
  queue: Queue | undefined;
};

export type Task = {
  id: string;
  lease: number;
  /** starts before this hand-out */
  attempt: number;
  info: SpecInfo;
  encoding: Encoding | undefined;
  /** the inline arguments: `length` bytes from `offset` of the frame that brought them */
  frame: Uint8Array;
  offset: number;
  length: number;
  /** of arguments above the inline limit */
  blob: string | undefined;
  file: string | undefined;
  /** of a command on several nodes, that of this manager first */
  hosts: string[] | undefined;
  /** its number at the worker that holds it; 0 while it waits */
  n: number;
  /** in `performance.now()`; when it became the first of its worker */
  startedAt: number;
  startReported: boolean;
  /** at-most-once: the gateway has the start on disk */
  startCommitted: boolean;
  arrivedAt: number;
  dropped: boolean;
};

/** How a task ended at this manager. */
export type TaskEnd = {
  outcome: "succeeded" | "failed" | "returned" | "lost";
  failure?: TaskFailure | undefined;
  started: boolean;
  ranMs?: number | undefined;
  worker?: string | undefined;
  encoding?: Encoding | undefined;
  bytes?: Uint8Array | undefined;
  /** a result above the inline limit; whoever uploads it removes it */
  file?: string | undefined;
  stdout?: OutputTail | undefined;
  stderr?: OutputTail | undefined;
};

/** The bytes of a task's inline arguments. */
export function inlineArguments({ frame, offset, length }: Task): Uint8Array {
  return frame.subarray(offset, offset + length);
}

/** The inline arguments of several tasks, in order: as few pieces as there are frames, as neighbours came side by side. */
export function joinedArguments(tasks: readonly Task[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let frame: Uint8Array | undefined;
  let from = 0;
  let to = 0;
  for (const task of tasks) {
    if (task.file !== undefined) continue;
    if (task.frame !== frame || task.offset !== to) {
      if (frame) pieces.push(frame.subarray(from, to));
      frame = task.frame;
      from = task.offset;
    }
    to = task.offset + task.length;
  }
  if (frame) pieces.push(frame.subarray(from, to));
  return pieces;
}
