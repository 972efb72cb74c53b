/** How many tasks a worker may hold: what its functions' observed times make a few milliseconds. */

export const HOLD_MS = 10;
export const MAX_HELD = 64;
const WEIGHT = 0.2;

/** What is known of a function's running time here; undefined until it ran once. */
export type RunTime = {
  ewmaMs: number | undefined;
  /** it starts processes: the search for what they left must be over before the next task starts (leftovers.ts) */
  spawns: boolean;
};

/** Counts a run in. */
export function observe(time: RunTime, ranMs: number): void {
  time.ewmaMs = time.ewmaMs === undefined ? ranMs : time.ewmaMs + WEIGHT * (ranMs - time.ewmaMs);
}

/** How many tasks of a function a worker may hold, the running one included. */
export function holdOf(time: RunTime, atMostOnce: boolean): number {
  if (atMostOnce || time.spawns || time.ewmaMs === undefined) return 1;
  return Math.max(1, Math.min(MAX_HELD, Math.floor(HOLD_MS / Math.max(time.ewmaMs, 1e-6))));
}

/** How many of `waiting` tasks to give to a worker that holds `held`, when `sharers` workers may take of them. */
export function handOver(waiting: number, held: number, limit: number, sharers: number): number {
  // A worker above half of its hold is left alone, so that it is refilled by a batch and not one by one.
  if (held > 0 && held > limit / 2) return 0;
  return Math.min(limit - held, Math.max(1, Math.ceil(waiting / Math.max(1, sharers))));
}
