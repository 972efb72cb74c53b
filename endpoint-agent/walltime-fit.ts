/** Whether a task would end before its block does. */
import type { Manager } from "./manager.ts";
import { MIN_REMAINING_MS, type SpecState } from "./spec-state.ts";

/** A block that ends sooner than this starts no task of this spec. */
export function roomMs(spec: SpecState): number {
  const {
    spec: { timeoutMs = Number.POSITIVE_INFINITY },
    meanMs,
    deviationMs,
  } = spec;
  if (meanMs !== undefined) return Math.min(timeoutMs, meanMs + 3 * deviationMs);
  return timeoutMs === Number.POSITIVE_INFINITY ? MIN_REMAINING_MS : timeoutMs;
}

/** Whether a manager may start a task of this spec so that it ends before its block does. */
export function fitsWalltime(spec: SpecState, manager: Manager, now: number): boolean {
  if (manager.expiresAt === null) return true;
  return roomMs(spec) < manager.expiresAt - now;
}
