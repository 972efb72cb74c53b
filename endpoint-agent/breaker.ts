/** Holds submissions back after failures: ever longer, and for good while after three in a row (FAULTS.md B8, B15). */
import type { Heartbeat } from "../protocol/messages.ts";
import { wallTime } from "./clock.ts";

export type Breaker = {
  /** Whether a submission may be tried now. */
  mayTry(now: number): boolean;
  /** When to look again; undefined when nothing holds it back. */
  nextTry(now: number): number | undefined;
  /** `from`: the node that it was the fault of, and whether blocks keep away from it from now on. */
  failed(now: number, reason: string, from?: { node: string; excluded: boolean }): void;
  /** A block is there. Others are held back until it has done something; if it fails all the same, that counts with the failures before. */
  hopeful(): void;
  /** A block is there and does its work. */
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
  let hope = false;
  /** of the failures in a row; "" for one that is no node's fault */
  const nodes = new Set<string>();
  return {
    mayTry: (now) => now >= until,
    nextTry: (now) => (now >= until ? undefined : until),
    failed(now, why, from) {
      failures++;
      hope = false;
      reason = why;
      nodes.add(from?.node ?? "");
      const beyond = failures - FAILURES_TO_OPEN;
      // One bad node among good ones: the next block comes up elsewhere. If that fails too, it is no single bad node.
      const elsewhere = from?.excluded === true && nodes.size === 1;
      const wait =
        beyond < 0 || elsewhere
          ? options.firstWaitMs * 2 ** Math.min(failures - 1, FAILURES_TO_OPEN)
          : options.openWaitMs * 2 ** Math.min(beyond, 20);
      // Jitter, so that agents that failed together do not try together.
      until = now + Math.min(options.maxWaitMs, wait) * (0.75 + options.random() / 4);
    },
    hopeful() {
      hope = true;
    },
    succeeded() {
      failures = 0;
      hope = false;
      until = Number.NEGATIVE_INFINITY;
      nodes.clear();
    },
    get trouble() {
      return !hope && failures >= FAILURES_TO_OPEN ? `${failures} blocks in a row failed: ${reason}` : null;
    },
    get failing() {
      return hope || failures === 0 ? null : { failures, reason, until };
    },
  };
}

/** What a heartbeat says of it; the time of the next try is for people. */
export function failingOf({ failing }: Pick<Breaker, "failing">, now: number): Heartbeat["summary"]["failing"] {
  if (failing === null) return null;
  const { failures, reason, until } = failing;
  return { failures, reason, nextTryAt: until > now ? wallTime(until) : null };
}
