/**
 * Takes away what a task leaves in its process, so that the next one starts as if it were the first: timers that would keep
 * running, listeners of the process, globals, the umask. What a module makes while it is loaded belongs to the module and stays.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createGlobalsWatch } from "./globals-watch.ts";
import { createTimersWatch } from "./timers-watch.ts";

export type Traces = {
  /** Runs a task's function; what it does later is known to be its own. */
  during<T>(task: object, run: () => T): T;
  /** The task has ended. */
  clear(): void;
  /** Listens to an event of the process, also after a task that removed all listeners. */
  keep(event: string, listener: (error: unknown) => void): void;
  /** Whose timer, promise or event is being handled now; undefined when that is not known. */
  owner(): object | undefined;
};

type Listener = (...args: unknown[]) => void;

/** Before Node 24 knowing the owner costs every promise of every task. */
const KNOWS_OWNERS = Number(process.versions.node.split(".")[0]) >= 24;

/** Installs the watches in this process. */
export function createTraces(): Traces {
  const owners = new AsyncLocalStorage<object>();
  const timers = createTimersWatch();
  const globals = createGlobalsWatch();
  const umask = watchUmask();
  let listeners: [string | symbol, Listener][] = [];
  let active = false;

  const onListener = (event: string | symbol, listener: Listener) => {
    if (active) listeners.push([event, listener]);
  };
  const kept: [string, Listener][] = [["newListener", onListener as Listener]];
  const keepAll = () => {
    for (const [event, listener] of kept)
      if (!process.listeners(event as "exit").includes(listener)) process.on(event, listener);
  };
  keepAll();

  return {
    during(task, run) {
      active = true;
      globals.begin();
      timers.begin();
      return KNOWS_OWNERS ? owners.run(task, run) : run();
    },
    clear() {
      if (!active) return;
      active = false;
      timers.clear();
      globals.clear();
      umask.clear();
      for (const [event, listener] of listeners) process.removeListener(event, listener);
      listeners = [];
      if (process.hasUncaughtExceptionCaptureCallback()) process.setUncaughtExceptionCaptureCallback(null);
      keepAll();
    },
    keep(event, listener) {
      kept.push([event, listener]);
      keepAll();
    },
    owner: () => owners.getStore(),
  };
}

function watchUmask(): { clear(): void } {
  const real = process.umask.bind(process);
  let before: number | undefined;
  process.umask = ((mask?: string | number) => {
    if (mask === undefined) return real();
    const old = real(mask);
    before ??= old;
    return old;
  }) as typeof process.umask;
  return {
    clear() {
      if (before !== undefined) real(before);
      before = undefined;
    },
  };
}
