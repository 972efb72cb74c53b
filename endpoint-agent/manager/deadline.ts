/**
 * The moment at which work without contact ends (PROTOCOL.md rules 19 and 20). `os.uptime()` counts suspend, which
 * `performance.now()` does not.
 */
import { createUptimeClock } from "../clock.ts";

export type Deadline = {
  /** ms by the clock that counts suspend */
  now(): number;
  at(): number;
  /** The agent answered a beat sent at `sentAt`, with this much of its own deadline left. Never moves backwards, nor from the past. */
  extend(sentAt: number, remainingMs: number): void;
  passed(): boolean;
  /** how long before it SIGTERM comes */
  readonly termBeforeMs: number;
  /** Whether it is so near that a new start would be killed. */
  near(): boolean;
};

/** Shorter when the whole time is short, as in tests and on a laptop. */
const TERM_BEFORE_MS = 5_000;

/** Starts `orphanTimeoutMs` from now; `onMove` hears of every later moment. */
export function createDeadline(orphanTimeoutMs: number, onMove: (at: number) => void): Deadline {
  const now = createUptimeClock();
  let at = now() + orphanTimeoutMs;
  const termBeforeMs = Math.min(TERM_BEFORE_MS, orphanTimeoutMs / 4);
  return {
    now,
    at: () => at,
    termBeforeMs,
    extend(sentAt, remainingMs) {
      // Once passed, it stays so: the work may have been given to others since.
      if (sentAt + remainingMs <= at || now() >= at) return;
      at = sentAt + remainingMs;
      onMove(at);
    },
    passed: () => now() >= at,
    near: () => now() >= at - termBeforeMs,
  };
}
