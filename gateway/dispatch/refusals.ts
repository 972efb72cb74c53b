/** Messages that are malformed or forged: dropped, counted, and logged once a minute for each endpoint (FAULTS.md G9). */
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";

export type Refusals = {
  refuse(endpoint: string, why: string): void;
  count(): number;
};

const LOG_EVERY_MS = 60_000;
/** Whoever can name endpoints freely must not make this grow without bound. */
const MAX_REMEMBERED = 10_000;

/** Counts from zero. */
export function createRefusals(log: Logger, clock: Clock): Refusals {
  const lastLogged = new Map<string, { at: number; since: number }>();
  let total = 0;
  return {
    refuse(endpoint, why) {
      total++;
      const now = clock.monotonic();
      const last = lastLogged.get(endpoint);
      if (last && now - last.at < LOG_EVERY_MS) {
        last.since++;
        return;
      }
      if (lastLogged.size >= MAX_REMEMBERED) lastLogged.clear();
      lastLogged.set(endpoint, { at: now, since: 0 });
      log.warn({ endpoint, why, unlogged: last?.since ?? 0 }, "a message of an agent was dropped");
    },
    count: () => total,
  };
}
