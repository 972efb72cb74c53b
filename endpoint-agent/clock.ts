/** Clocks. Deadlines must count a suspended host's sleep; `performance.now()` does not (PROTOCOL.md rule 20). */
import { uptime } from "node:os";

/** A difference between the clocks that is no longer their own unevenness, but a suspend or a step of the wall clock. */
const SYNC_MS = 20;

/**
 * `os.uptime()` in milliseconds, without reading /proc each time: while wall clock and monotonic clock agree, the machine
 * was not suspended since the last reading.
 */
export function createUptimeClock(): () => number {
  let wall = Number.NaN;
  let base = 0;
  return () => {
    const monotonic = performance.now();
    const offset = Date.now() - monotonic;
    if (!(Math.abs(offset - wall) < SYNC_MS)) {
      wall = offset;
      base = uptime() * 1000 - monotonic;
    }
    return base + monotonic;
  };
}

/** Milliseconds on a clock that never steps and counts suspend. For deadlines; cheap enough to be read for each task. */
export const uptimeMs: () => number = createUptimeClock();

/** Milliseconds on the finest monotonic clock. For rates and ages of less than a minute. */
export function nowMs(): number {
  return performance.now();
}

/** A moment of `uptimeMs` as Unix milliseconds, for people. */
export function wallTime(uptime: number): number {
  return Math.round(Date.now() + uptime - uptimeMs());
}
