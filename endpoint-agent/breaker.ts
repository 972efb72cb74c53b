/** Holds submissions back after failures: ever longer, and for good while after three in a row (FAULTS.md B8, B15). */
import type { Heartbeat } from "../protocol/messages.ts";
import { wallTime } from "./clock.ts";

export type Breaker = {
  /** Whether a submission may be tried now. */
  mayTry(now: number): boolean;
  /** When to look again; undefined when nothing holds it back. */
  nextTry(now: number): number | undefined;
  failed(now: number, reason: string): void;
  succeeded(): void;
  /** Why no block starts, once it has opened. */
  readonly trouble: string | null;
  /** From the first failure on: how many in a row, the last one's reason, and the time before which nothing is tried. */
  readonly failing: { failures: number; reason: string; until: number } | null;
};

export type BreakerOptions = {
  firstWaitMs: number;
  /** after FAILURES_TO_OPEN failures */
  openWaitMs: number;
  maxWaitMs: number;
  /** in [0, 1) */
  random(): number;
};

/** Failures in a row after which it opens. */
export const FAILURES_TO_OPEN = 3;

/** Makes a closed breaker. */
export function createBreaker(options: BreakerOptions): Breaker {
  let failures = 0;
  let until = Number.NEGATIVE_INFINITY;
  let reason = "";
  return {
    mayTry: (now) => now >= until,
    nextTry: (now) => (now >= until ? undefined : until),
    failed(now, why) {
      failures++;
      reason = why;
      const beyond = failures - FAILURES_TO_OPEN;
      const wait =
        beyond < 0 ? options.firstWaitMs * 2 ** (failures - 1) : options.openWaitMs * 2 ** Math.min(beyond, 20);
      // Jitter, so that agents that failed together do not try together.
      until = now + Math.min(options.maxWaitMs, wait) * (0.75 + options.random() / 4);
    },
    succeeded() {
      failures = 0;
      until = Number.NEGATIVE_INFINITY;
    },
    get trouble() {
      return failures >= FAILURES_TO_OPEN ? `${failures} blocks in a row failed: ${reason}` : null;
    },
    get failing() {
      return failures === 0 ? null : { failures, reason, until };
    },
  };
}

/** What a heartbeat says of it; the time of the next try is for people. */
export function failingOf({ failing }: Pick<Breaker, "failing">, now: number): Heartbeat["summary"]["failing"] {
  if (failing === null) return null;
  const { failures, reason, until } = failing;
  return { failures, reason, nextTryAt: until > now ? wallTime(until) : null };
}
