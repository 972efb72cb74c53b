/** What one token has under way, bounded by kind, so that nobody takes all of a gateway by waiting. */
import { ApiError } from "../../protocol/errors.ts";

/** Requests that are worked on; those that wait for a task's end; open streams. */
export type Kind = "requests" | "waits" | "streams";

/** How many there are of each. */
export type UnderWay = Record<Kind, number>;

const WORDS = { requests: "requests under way", waits: "requests that wait for results", streams: "streams open" };
const RETRY_AFTER_MS = { requests: 1000, waits: 5000, streams: 5000 };

/** Counts one more. Throws RATE_LIMITED, and counts nothing, when there are `most` already. */
export function countIn(open: UnderWay, kind: Kind, most: Readonly<UnderWay>): void {
  const max = most[kind];
  if (open[kind] >= max) {
    throw new ApiError("RATE_LIMITED", `this token has ${max} ${WORDS[kind]}`, {
      details: { limit: kind, max, retryAfterMs: RETRY_AFTER_MS[kind] },
    });
  }
  open[kind]++;
}

/** Whether anything is under way. */
export function isBusy({ requests, waits, streams }: UnderWay): boolean {
  return requests + waits + streams > 0;
}
