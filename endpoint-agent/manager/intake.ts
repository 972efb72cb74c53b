/** Tasks as they come in: each waits for its function's code and its large arguments, then joins its queue. */
import type { LeaseEntry, LeaseSpec } from "../../protocol/batch.ts";
import { DEFAULT_RESOURCES, type Resources } from "../../protocol/task.ts";
import type { BlobsIn } from "./blobs-in.ts";
import type { Functions, KnownFunction } from "./functions.ts";
import type { Queues } from "./queues.ts";
import type { SpecInfo, Task, TaskEnd } from "./task.ts";

export type IntakeParts = {
  functions: Functions;
  queues: Queues;
  blobs: BlobsIn;
  /** what a task that asks for this takes of the manager */
  resourcesHere(asked: Resources): Resources;
  coresEnv(need: Resources): Record<string, string> | undefined;
  /** The task ends before it was placed. */
  end(task: Task, end: TaskEnd): void;
};

export type Intake = {
  /** Every task that has not ended, by id. */
  readonly tasks: ReadonlyMap<string, Task>;
  take(specs: readonly LeaseSpec[], entries: readonly LeaseEntry[], body: Uint8Array): void;
  /** The code of a function came, or will not. */
  resolved(fn: KnownFunction): void;
  forget(task: Task): void;
};

const MAX_SPECS = 10_000;

/** Keeps the tasks of one manager. */
export function createIntake({ functions, queues, blobs, resourcesHere, coresEnv, end }: IntakeParts): Intake {
  const tasks = new Map<string, Task>();
  const infos = new Map<number, SpecInfo>();
  const waiting = new Map<KnownFunction, Task[]>();
  let arrived = 0;

  const infoOf = (spec: LeaseSpec): SpecInfo => {
    let info = infos.get(spec.key);
    if (info && info.fn.state !== "failed") return info;
    if (infos.size >= MAX_SPECS) infos.clear();
    const resources = resourcesHere(spec.resources ?? DEFAULT_RESOURCES);
    info = {
      spec,
      fn: functions.get(spec.function),
      resources,
      coresEnv: coresEnv(resources),
      atMostOnce: spec.delivery === "at-most-once",
      timeoutMs: spec.timeoutMs ?? Number.POSITIVE_INFINITY,
      queue: undefined,
    };
    infos.set(spec.key, info);
    return info;
  };

  const queueOf = ({ spec, fn, resources }: SpecInfo) => {
    const { runtime = "javascript", container } = fn.definition ?? {};
    return queues.of(spec.owner, resources, { runtime, container });
  };
  const enqueue = (task: Task) => {
    const { info } = task;
    if (task.dropped) return;
    if (info.fn.state === "asked") {
      const others = waiting.get(info.fn);
      if (others) others.push(task);
      else waiting.set(info.fn, [task]);
    } else if (info.fn.failure) {
      end(task, { outcome: "failed", started: false, failure: info.fn.failure });
    } else if (whyNever(info)) {
      const failure = { code: "LOAD_ERROR" as const, message: whyNever(info) as string };
      end(task, { outcome: "failed", started: false, failure });
    } else {
      info.queue ??= queueOf(info);
      info.queue.push(task);
    }
  };

  const fetchBlob = (task: Task, blob: string) => {
    blobs.get({ blob, owner: task.info.spec.owner, task: task.id, lease: task.lease }, (file, error) => {
      if (task.dropped) return;
      task.file = file;
      if (file !== undefined) enqueue(task);
      else {
        end(task, {
          outcome: "failed",
          started: false,
          failure: { code: "BLOB_GONE", message: error ?? "it is gone" },
        });
      }
    });
  };

  return {
    tasks,
    take(specs, entries, body) {
      const now = performance.now();
      let offset = 0;
      for (const entry of entries) {
        const length = entry.blob === undefined ? (entry.length ?? 0) : 0;
        const info = infoOf(specs[entry.spec ?? 0] as LeaseSpec);
        const task: Task = {
          id: entry.id,
          lease: entry.lease,
          attempt: entry.attempt,
          info,
          encoding: entry.encoding,
          frame: body,
          offset,
          length,
          blob: entry.blob,
          file: undefined,
          hosts: entry.hosts,
          n: 0,
          startedAt: 0,
          startReported: false,
          startCommitted: false,
          // Ties are broken by the order of arrival.
          arrivedAt: now + ++arrived * 1e-9,
          dropped: false,
        };
        offset += length;
        const known = tasks.get(entry.id);
        if (known) {
          // The same hand-out twice is taken once; a newer one is not taken while the older one may still run here.
          if (known.lease !== entry.lease) end(task, { outcome: "returned", started: false });
          continue;
        }
        tasks.set(entry.id, task);
        if (entry.blob !== undefined) fetchBlob(task, entry.blob);
        else enqueue(task);
      }
    },
    resolved(fn) {
      const ready = waiting.get(fn);
      waiting.delete(fn);
      for (const task of ready ?? []) enqueue(task);
    },
    forget(task) {
      if (tasks.get(task.id) === task) tasks.delete(task.id);
      task.dropped = true;
      if (task.blob !== undefined) blobs.release(task.blob);
    },
  };
}

/** Why no manager could ever run it as it is asked for. */
function whyNever({ fn, resources }: SpecInfo): string | undefined {
  if (fn.definition?.runtime === "command" || resources.nodes === undefined) return undefined;
  return "only a shell command can run on several nodes; this function is none";
}
