/** The gateway's end of a store thread: calls go out as messages, replies settle their promises. */
import { Worker } from "node:worker_threads";
import { ApiError } from "../../../protocol/errors.ts";
import type { FromThread, Reply } from "./thread-messages.ts";

export type Thread = {
  readonly info: { generation: string };
  call(op: string, input: unknown, transfer?: ArrayBuffer[]): Promise<unknown>;
  /** Lets calls under way finish, then ends the thread. */
  close(): Promise<void>;
};

/** By itself V8 lets the young generation grow to 48 MB a thread; batches die young in far less. With 8 they often grow old. */
const YOUNG_GENERATION_MB = 16;

/** What the thread is given, and who hears of it when it ends by itself. */
export type ThreadOptions = {
  data: unknown;
  now: () => number;
  /** It was ready, nobody closed it, and it is gone: its calls fail from now on. */
  onDeath?: ((cause: Error) => void) | undefined;
};

type Pending = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** Starts a thread and resolves when it is ready; rejects with its error when it cannot start. */
export function startThread(script: URL, options: ThreadOptions): Promise<Thread> {
  const worker = new Worker(script, {
    workerData: options.data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const pending = new Map<number, Pending>();
  let calls = 0;
  let ended: Error | undefined;
  let life: "starting" | "ready" | "closing" | "dead" = "starting";

  function settle(replies: Reply[]): void {
    for (const { n, value, error } of replies) {
      const call = pending.get(n);
      pending.delete(n);
      if (error) call?.reject(ApiError.fromJSON(error));
      else call?.resolve(value);
    }
  }

  function fail(error: Error): void {
    ended ??= error;
    for (const call of pending.values()) call.reject(ended);
    pending.clear();
  }

  /** A thread that failed while it started has said so to who started it. */
  function die(error: Error): void {
    fail(error);
    if (life === "ready") options.onDeath?.(error);
    life = "dead";
  }

  function post(op: string, input: unknown, transfer: ArrayBuffer[]): Promise<unknown> {
    if (ended) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      const n = ++calls;
      pending.set(n, { resolve, reject });
      worker.postMessage({ n, op, now: options.now(), input }, transfer);
    });
  }

  return new Promise((resolve, reject) => {
    const gone = new Promise<void>((done) => worker.once("exit", () => done()));
    worker.on("message", (message: FromThread) => {
      if (message.kind === "replies") settle(message.replies);
      else if (message.kind === "failed") {
        fail(ApiError.fromJSON(message.error));
        reject(ended);
      } else if (message.kind === "ready") {
        life = "ready";
        resolve({
          info: message.info,
          call: (op, input, transfer = []) => post(op, input, transfer),
          async close() {
            if (life === "ready") life = "closing";
            if (!ended) worker.postMessage({ n: 0, op: "close", now: 0, input: null });
            await gone;
          },
        });
      }
    });
    worker.once("error", (cause) => {
      die(new ApiError("UNAVAILABLE", `the store's thread failed: ${cause.message}`, { cause }));
      reject(ended);
    });
    worker.once("exit", () => die(new ApiError("UNAVAILABLE", "the store is closed")));
  });
}
