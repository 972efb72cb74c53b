/** Named groups of tasks: to find them again after a restart, and to end them together. */

import { badField } from "../protocol/batch.ts";
import type { ResponseOf } from "../protocol/operations.ts";
import type { FunctionOptions } from "./code/inline.ts";
import { type GroupDeps, type GroupResult, readGroupResults, waitForGroup } from "./group-results.ts";
import { type AnyFunction, inGroup, type Remote, type RemoteDeps } from "./remote.ts";
import type { Task } from "./task.ts";

/**
 * A named group of tasks. Whoever asks for the same name later, in this process or another, finds the same tasks.
 *
 * @example
 * const run = farcall.group("run-7");
 * for (const file of files) run.submit(analyse, file);
 * for await (const { taskId, value, error } of run.results()) console.log(taskId, error ?? value);
 */
export type Group = {
  readonly name: string;
  /** A function whose tasks belong to the group: a new one, or one that there is already. */
  function<F extends AnyFunction>(fn: F | Remote<F>, options?: FunctionOptions): Remote<F>;
  /** Calls a function without waiting; the task belongs to the group. */
  submit<F extends AnyFunction>(fn: Remote<F>, ...args: Parameters<F>): Task<Awaited<ReturnType<F>>>;
  /** Every end of a task of the group, those before this client's start included; over when all have ended. */
  results<T = unknown>(options?: { signal?: AbortSignal }): AsyncIterableIterator<GroupResult<T>>;
  /** Waits until all have ended; how many ended how. */
  wait(options?: { signal?: AbortSignal }): Promise<Record<string, number>>;
  /** Cancels all that have not ended. */
  cancel(): Promise<ResponseOf<"cancelTasks">>;
};

export type GroupParts = RemoteDeps & {
  group: GroupDeps;
  makeFunction<F extends AnyFunction>(fn: F, options: FunctionOptions): Remote<F>;
};

/** Makes the handle of a group; the gateway hears of it with its first task. */
export function createGroup(name: string, parts: GroupParts): Group {
  if (!/^[^_].{0,127}$/s.test(name)) throw badField("group", name, "1 to 128 characters that do not begin with _");
  const mine = <F extends AnyFunction>(remote: Remote<F>): Remote<F> => {
    parts.engine.watch(name);
    return inGroup(remote, name, parts);
  };
  // The same function again is the same remote function: its spec is shared by all its calls.
  const known = new WeakMap<object, Remote<AnyFunction>>();
  return {
    name,
    function: <F extends AnyFunction>(fn: F | Remote<F>, options?: FunctionOptions) =>
      mine(isRemote(fn) ? fn : parts.makeFunction(fn, options ?? {})) as Remote<F>,
    submit(fn, ...args) {
      let remote = known.get(fn);
      if (!remote) {
        remote = mine(fn) as unknown as Remote<AnyFunction>;
        known.set(fn, remote);
      }
      return remote.submit(...args) as never;
    },
    results: <T>(options: { signal?: AbortSignal } = {}) =>
      readGroupResults(parts.group, name, options.signal) as AsyncIterableIterator<GroupResult<T>>,
    wait: (options = {}) => waitForGroup(parts.group, name, options.signal),
    cancel: () => parts.group.http.call("cancelTasks", { body: { group: name } }),
  };
}

function isRemote<F extends AnyFunction>(fn: F | Remote<F>): fn is Remote<F> {
  return (
    typeof (fn as Partial<Remote<F>>).submit === "function" && typeof (fn as Partial<Remote<F>>).map === "function"
  );
}
