/** Knows the timers that a task has started, to end those that still run when the task has ended. */
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";

export type TimersWatch = { begin(): void; clear(): void };

/** What Node makes of timers beside their documented methods. */
type Timer = (NodeJS.Timeout | NodeJS.Immediate) & { _destroyed?: boolean };

/** So many are kept before those that are over are sorted out. */
const FIRST_LIMIT = 1_000;

/**
 * Wraps the functions that start timers. Timers that do not keep a process alive (`unref`) are left: they are how libraries keep
 * house.
 */
export function createTimersWatch(): TimersWatch {
  const live = new Set<Timer>();
  let limit = FIRST_LIMIT;
  let active = false;
  const { clearTimeout, clearImmediate } = timers;

  const note = (timer: Timer) => {
    if (live.size >= limit) {
      for (const each of live) if (each._destroyed) live.delete(each);
      limit = Math.max(FIRST_LIMIT, live.size * 2);
    }
    live.add(timer);
  };
  for (const name of ["setTimeout", "setInterval", "setImmediate"] as const) {
    const original = timers[name] as (...args: unknown[]) => Timer;
    const noting = (...args: unknown[]) => {
      const timer = original(...args);
      if (active) note(timer);
      return timer;
    };
    // With what util.promisify looks for.
    const wrapped = Object.defineProperties(noting, Object.getOwnPropertyDescriptors(original));
    Object.assign(timers, { [name]: wrapped });
    Object.assign(globalThis, { [name]: wrapped });
  }
  syncBuiltinESMExports();

  return {
    begin() {
      active = true;
    },
    clear() {
      active = false;
      if (live.size === 0) return;
      for (const timer of live) {
        if (timer._destroyed || !timer.hasRef()) continue;
        if ("refresh" in timer) clearTimeout(timer);
        else clearImmediate(timer as NodeJS.Immediate);
      }
      live.clear();
      limit = FIRST_LIMIT;
    },
  };
}
