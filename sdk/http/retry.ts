/** When a request is repeated: a pure decision, and the loop that carries it out. */
import { ApiError } from "../../protocol/errors.ts";

export type RetryPolicy = {
  /** repeat until this long after the first try */
  retryForMs: number;
  /** the same while the gateway was never reached */
  connectForMs: number;
  /** whether it has answered anything yet */
  reached: boolean;
  /** whether a request whose outcome is unknown may be sent again */
  idempotent: boolean;
  /** false: a full queue is the caller's affair, who can send less */
  waitForRoom?: boolean;
};

/** A request that got no answer, so that it is unknown whether it was carried out. */
export class NoAnswer extends Error {}

export type Failure = { error: unknown; retryAfterMs?: number | undefined };

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5_000;
/** A gateway that says INTERNAL will most likely say it again. */
const TRIES_OF_INTERNAL = 4;

/** How long to wait before trying again, or undefined to give up. `tries` counts those made; `random` is 0 to 1. */
export function retryDelay(
  { error, retryAfterMs }: Failure,
  policy: RetryPolicy,
  now: { tries: number; elapsedMs: number; random: number },
): number | undefined {
  if (error instanceof NoAnswer) {
    if (!policy.idempotent) return undefined;
  } else if (!(error instanceof ApiError) || !error.retryable) return undefined;
  else if (error.code === "QUEUE_FULL" && policy.waitForRoom === false) return undefined;
  else if (error.code === "INTERNAL" && (now.tries >= TRIES_OF_INTERNAL || !policy.idempotent)) return undefined;
  const backoff = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (now.tries - 1)) * (0.5 + now.random / 2);
  const delay = Math.max(backoff, retryAfterMs ?? 0);
  const limit = policy.reached ? policy.retryForMs : policy.connectForMs;
  return now.elapsedMs + delay > limit ? undefined : delay;
}

/** Milliseconds in a Retry-After header: seconds or an HTTP date. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Waits; rejects with the signal's reason when it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
