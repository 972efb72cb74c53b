/** A submitted call, as its caller holds it. */
import type { ResponseOf } from "../protocol/operations.ts";
import type { TaskState } from "../protocol/task.ts";
import type { LogChunk, TaskLogs } from "./api/logs.ts";
import type { TasksApi } from "./api/tasks.ts";
import type { Call, Listener } from "./calls/call.ts";
import { TaskError } from "./errors.ts";

/**
 * One call under way. Await it for its result; nothing is thrown at anybody who does not.
 *
 * @example
 * const task = square.submit(12);
 * console.log(task.id, task.state);
 * console.log(await task); // 144
 */
export interface Task<T> extends PromiseLike<T> {
  /** made here, so it is known before the gateway has seen the task */
  readonly id: string;
  /** as far as this client knows */
  readonly state: TaskState;
  /** resolves when the gateway has the task on disk */
  readonly accepted: Promise<void>;
  catch<E>(onRejected: (error: unknown) => E | PromiseLike<E>): Promise<T | E>;
  finally(onSettled: () => void): Promise<T>;
  /** Cancels the task; says whether the cancel or the end came first. The task then ends with a TaskError `CANCELLED`. */
  cancel(): Promise<ResponseOf<"cancelTask">>;
  /** The tails of what it wrote to stdout and stderr. */
  logs(): Promise<TaskLogs>;
  /** Its output as it is written, until it ends. */
  follow(): AsyncIterable<LogChunk>;
}

export type TaskHandle<T> = Listener & { task: Task<T>; bind(call: Call): void };

/** Makes the handle and the listener that feeds it. The promise exists only once somebody asks for it. */
export function createTask<T>(tasks: Pick<TasksApi, "cancel" | "logs" | "follow">): TaskHandle<T> {
  let call: Call;
  let end: { value: T } | { error: unknown } | undefined;
  let result: PromiseWithResolvers<T> | undefined;
  let acceptance: PromiseWithResolvers<void> | undefined;
  let isAccepted = false;

  function promise(): Promise<T> {
    if (!result) {
      result = Promise.withResolvers<T>();
      settle();
    }
    return result.promise;
  }

  function settle(): void {
    if (!end || !result) return;
    if ("value" in end) result.resolve(end.value);
    else result.reject(end.error);
  }

  function accepted(): Promise<void> {
    if (!acceptance) {
      acceptance = Promise.withResolvers<void>();
      acceptance.promise.catch(() => {});
      if (isAccepted) acceptance.resolve();
      else if (end && "error" in end) acceptance.reject(end.error);
    }
    return acceptance.promise;
  }

  function onAccepted(): void {
    isAccepted = true;
    acceptance?.resolve();
  }

  const task: Task<T> = {
    get id() {
      return call.id;
    },
    get state() {
      return call.state;
    },
    get accepted() {
      return accepted();
    },
    // biome-ignore lint/suspicious/noThenProperty: a task is awaited like a promise
    then: (onFulfilled, onRejected) => promise().then(onFulfilled, onRejected),
    catch: (onRejected) => promise().catch(onRejected),
    finally: (onSettled) => promise().finally(onSettled),
    async cancel() {
      // What overtakes its submit would find nothing.
      await accepted();
      return tasks.cancel(call.id);
    },
    async logs() {
      await accepted();
      return tasks.logs(call.id);
    },
    async *follow() {
      await accepted();
      yield* tasks.follow(call.id);
    },
  };

  return {
    task,
    bind(bound) {
      call = bound;
    },
    accepted: onAccepted,
    succeeded(_call, value) {
      end = { value: value as T };
      onAccepted();
      settle();
    },
    failed(_call, error) {
      end = { error };
      // An end that the gateway reports is an end of something it has accepted.
      if (error instanceof TaskError) onAccepted();
      else acceptance?.reject(error);
      settle();
    },
  };
}
