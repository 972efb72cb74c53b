/** Whether a task would end before its block does. */
import type { Manager } from "./manager.ts";
import { MIN_REMAINING_MS, type SpecState } from "./spec-state.ts";

/** Whether a manager may start a task of this spec so that it ends before its block does. */
export function fitsWalltime(spec: SpecState, manager: Manager, now: number): boolean {
  if (manager.expiresAt === null) return true;
  const remaining = manager.expiresAt - now;
  if (spec.spec.timeoutMs !== undefined && spec.spec.timeoutMs <= remaining) return true;
  if (spec.meanMs !== undefined) return spec.meanMs + 3 * spec.deviationMs < remaining;
  return spec.spec.timeoutMs === undefined && remaining > MIN_REMAINING_MS;
}
