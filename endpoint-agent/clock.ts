/** Clocks. Deadlines must count a suspended host's sleep; `performance.now()` does not (PROTOCOL.md rule 20). */
import { uptime } from "node:os";

/** Milliseconds on a clock that never steps and counts suspend. For deadlines. */
export function uptimeMs(): number {
  return uptime() * 1000;
}

/** Milliseconds on the finest monotonic clock. For rates and ages of less than a minute. */
export function nowMs(): number {
  return performance.now();
}
