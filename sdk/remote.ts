/** A function that runs elsewhere: called, submitted or mapped like one that runs here. */

import type { TasksApi } from "./api/tasks.ts";
import { type Call, createCall, type Listener } from "./calls/call.ts";
import type { Engine } from "./calls/engine.ts";
import { type CallOptions, createSpec } from "./calls/spec.ts";
import type { Code } from "./code/code.ts";
import { createMap, type Items, type MapOptions, type MapResults } from "./map.ts";
import { createTask, type Task } from "./task.ts";

/**
 * Any function at all.
 *
 * @example
 * function twice<F extends AnyFunction>(remote: Remote<F>, ...args: Parameters<F>) {
 *   return Promise.all([remote(...args), remote(...args)]);
 * }
 */
// biome-ignore lint/suspicious/noExplicitAny: `unknown` parameters would admit none
export type AnyFunction = (...args: any[]) => unknown;

/**
 * A function of type `F` that runs elsewhere.
 *
 * @example
 * const square: Remote<(x: number) => number> = farcall.function((x: number) => x * x, { name: "square" });
 * await square(12); // 144
 * await square.with({ endpoint: "laptop", retries: 2 })(12);
 */
export interface Remote<F extends AnyFunction> {
  /** Calls it and waits for the result. */
  (...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>;
  readonly name: string;
  /** The same function, called in another way; what is not named stays as it is. */
  with(options: CallOptions): Remote<F>;
  /** Calls it without waiting. */
  submit(...args: Parameters<F>): Task<Awaited<ReturnType<F>>>;
  /** Calls it with every item, a bounded number at a time, and yields the results as they come. */
  map(items: Items<Parameters<F>[0]>, options?: MapOptions): MapResults<Awaited<ReturnType<F>>>;
  /** Registers it now instead of at the first call; resolves to its id. */
  register(): Promise<string>;
}

export type RemoteDeps = { engine: Engine; tasks: TasksApi };
type Settings = CallOptions & { group?: string };

/** The code and settings behind a remote function, for `group.function(remote)`. */
const insides = new WeakMap<object, { code: Code; settings: Settings }>();

/** Makes a remote function of code. */
export function createRemote<F extends AnyFunction>(code: Code, settings: Settings, deps: RemoteDeps): Remote<F> {
  type Result = Awaited<ReturnType<F>>;
  const { engine, tasks } = deps;
  const spec = createSpec(code, settings);

  const remote = (...args: Parameters<F>): Promise<Result> =>
    new Promise((resolve, reject) => {
      engine.submit(createCall(spec, args, new PromiseListener(resolve as (value: unknown) => void, reject)));
    });
  Object.defineProperty(remote, "name", { value: code.name });
  const members: Omit<Remote<F>, "name"> = {
    with: (options) => createRemote<F>(code, mergeOptions(settings, options), deps),
    submit(...args) {
      const handle = createTask<Result>(tasks);
      const call = createCall(spec, args, handle);
      handle.bind(call);
      engine.submit(call);
      return handle.task;
    },
    map: (items, options = {}) => createMap<Result>(code, items, mergeOptions(settings, options), engine),
    register: () => engine.register(spec),
  } as Omit<Remote<F>, "name">;
  insides.set(remote, { code, settings });
  return Object.assign(remote, members);
}

/** The same function with its tasks in a group. */
export function inGroup<F extends AnyFunction>(remote: Remote<F>, group: string, deps: RemoteDeps): Remote<F> {
  const inside = insides.get(remote);
  if (!inside) throw new TypeError("expected a function made by farcall.function, .python, .command or .module");
  return createRemote<F>(inside.code, { ...inside.settings, group }, deps);
}

function mergeOptions(settings: Settings, options: Settings): Settings {
  const merged = { ...settings, ...options };
  if (settings.env && options.env) merged.env = { ...settings.env, ...options.env };
  if (settings.resources && options.resources) merged.resources = { ...settings.resources, ...options.resources };
  return merged;
}

class PromiseListener implements Listener {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  constructor(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }
  succeeded(_call: Call, value: unknown): void {
    this.resolve(value);
  }
  failed(_call: Call, error: unknown): void {
    this.reject(error);
  }
}
