/** Runs a worker's tasks, one after the other, each behind its permit. */
import { decodeValue, encodeValue } from "../../protocol/payload.ts";
import type { Encoding, TaskFailure } from "../../protocol/task.ts";
import type { WorkerTask } from "../../protocol/worker-frames.ts";
import type { Call, Calls, UserFunction } from "./calls.ts";
import { failureOf } from "./failures.ts";

export type HeldTask = WorkerTask & { body: Uint8Array };

export type TaskEnd = {
  n: number;
  ms: number;
  failure?: TaskFailure | undefined;
  encoding?: Encoding;
  bytes?: Uint8Array;
};

export type RunnerParts = {
  calls: Calls;
  permit(): number | undefined;
  /** Reads a payload that came in a file. */
  readFile(file: string): Uint8Array;
  enter(call: Call): void;
  /** Runs a task's function so that what it leaves behind is known. */
  during<T>(task: HeldTask, run: () => T): T;
  report(end: TaskEnd): void;
  /** No task can be started: see worker-frames.ts. */
  stuck(n: number, awaits: boolean): void;
  /** What came on the descriptors cannot be. */
  broken(what: string): void;
};

export type Runner = {
  hold(task: HeldTask): void;
  /** Starts what may be started. Returns at once when a task is under way. */
  pump(): void;
  /** The task's frame was sent before what has just come. */
  sent(n: number): void;
  /** The task under way. */
  current(): HeldTask | undefined;
};

/** The current task, for user code that wants to know: `globalThis[Symbol.for("farcall.task")]`. */
const CURRENT = Symbol.for("farcall.task");

/** A queue of held tasks and the loop that runs them. */
export function createRunner({ calls, permit, readFile, enter, during, report, stuck, broken }: RunnerParts): Runner {
  let held: HeldTask[] = [];
  let first = 0;
  let current: HeldTask | undefined;
  /** a permit whose task has not come yet */
  let awaited: number | undefined;
  const shown = { id: "", attempt: 0 };
  Object.defineProperty(globalThis, CURRENT, { value: shown });

  /** the number that was last said to be stuck: each is said once */
  let stuckAt = 0;
  const sayStuck = (n: number, awaits: boolean) => {
    if (n === stuckAt) return;
    stuckAt = n;
    stuck(n, awaits);
  };
  const next = (): HeldTask | undefined => {
    while (first < held.length) {
      const n = awaited ?? permit();
      if (n === undefined) {
        sayStuck((held[held.length - 1] as HeldTask).n, false);
        return undefined;
      }
      awaited = n;
      while (first < held.length && (held[first] as HeldTask).n < n) first++;
      if (first === held.length) {
        sayStuck(n, true);
        break;
      }
      awaited = undefined;
      if ((held[first] as HeldTask).n !== n) broken(`a permit for ${n} came, which is no task's`);
      return held[first++];
    }
    held = [];
    first = 0;
    return undefined;
  };

  const end = (task: HeldTask, startedAt: number, value: unknown) => {
    const ms = performance.now() - startedAt;
    const failed = (failure: TaskFailure) => report({ n: task.n, ms, failure });
    try {
      report({ n: task.n, ms, ...encodeValue(value) });
    } catch (error) {
      failed(resultFailure(error));
    }
  };

  const startLoaded = (task: HeldTask, call: Call, run: UserFunction): Promise<void> | undefined => {
    let args: unknown[];
    try {
      const bytes = task.file === undefined ? task.body : readFile(task.file);
      args = argumentsOf(task.encoding ?? "json", bytes);
    } catch (error) {
      report({ n: task.n, ms: 0, failure: failureOf(error, "LOAD_ERROR") });
      return undefined;
    }
    const startedAt = performance.now();
    try {
      const value = call.traceless ? run(...args) : during(task, () => run(...args));
      if (isThenable(value)) {
        return Promise.resolve(value).then(
          (settled) => end(task, startedAt, settled),
          (error) => report({ n: task.n, ms: performance.now() - startedAt, failure: failureOf(error) }),
        );
      }
      end(task, startedAt, value);
    } catch (error) {
      report({ n: task.n, ms: performance.now() - startedAt, failure: failureOf(error) });
    }
    return undefined;
  };

  const start = (task: HeldTask): Promise<void> | undefined => {
    const call = calls.get(task.call);
    shown.id = task.id;
    shown.attempt = task.attempt + 1;
    enter(call);
    if (call.loaded) return startLoaded(task, call, call.loaded);
    return call.load().then(
      (run) => startLoaded(task, call, run),
      (error) => report({ n: task.n, ms: 0, failure: failureOf(error, "LOAD_ERROR") }),
    );
  };

  const pump = () => {
    while (current === undefined) {
      const task = next();
      if (!task) return;
      current = task;
      const pending = start(task);
      if (pending) {
        void pending.then(() => {
          current = undefined;
          pump();
        });
        return;
      }
      current = undefined;
    }
  };

  return {
    hold: (task) => held.push(task),
    pump,
    sent(n) {
      if (awaited === n && !held.some((task) => task.n === n)) broken(`task ${n} did not come`);
    },
    current: () => current,
  };
}

function argumentsOf(encoding: Encoding, bytes: Uint8Array): unknown[] {
  const value = decodeValue(encoding, bytes);
  if (encoding === "raw") return [value];
  if (Array.isArray(value)) return value;
  const { args, kwargs } = (value ?? {}) as { args?: unknown; kwargs?: object };
  if (kwargs && Object.keys(kwargs).length > 0) {
    throw new TypeError("keyword arguments are for Python functions; pass this JavaScript function an object instead");
  }
  if (Array.isArray(args)) return args;
  throw new TypeError("the arguments are neither an array nor { args: [...] }");
}

function resultFailure(error: unknown): TaskFailure {
  const { code, message, details } = error as { code?: string; message: string; details?: Record<string, unknown> };
  if (code === "NOT_SERIALISABLE") return { code: "RESULT_NOT_SERIALISABLE", message, ...(details ? { details } : {}) };
  if (error instanceof RangeError && /string length|allocation failed|array length/i.test(message)) {
    return { code: "RESULT_TOO_LARGE", message: `the result does not fit into memory as one payload (${message})` };
  }
  return failureOf(error, "RESULT_NOT_SERIALISABLE");
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";
}
