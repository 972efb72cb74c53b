/** What a client knows of the room in the gateway's queue: how large a batch may be, and when to try again. */
import { MAX_BATCH_TASKS } from "../../protocol/task-constants.ts";
import type { ApiError } from "../errors.ts";

export type Room = {
  /** the most calls in one batch now */
  readonly limit: number;
  /** the queue was full a moment ago: nothing is sent */
  readonly full: boolean;
  /** A batch went in; so many of its calls are in the queue now. */
  accepted(calls: number): void;
  /** Halves the limit; resolves when it is worth trying again. */
  refused(size: number, error: ApiError): Promise<void>;
  /** A call of this client has ended: there is room for one. */
  ended(): void;
  /** for how long everything has been refused */
  fullMs(): number;
};

const SHORTEST_WAIT_MS = 50;
const DEFAULT_WAIT_MS = 1000;

/** Makes it, for a queue that is taken to be empty. */
export function createRoom(): Room {
  let limit: number = MAX_BATCH_TASKS;
  /** calls of this client that are accepted and have not ended */
  let inside = 0;
  let refusals = 0;
  let fullSince: number | undefined;
  const waiting = new Set<{ ends: number; wake(): void }>();
  return {
    get limit() {
      return limit;
    },
    get full() {
      return waiting.size > 0;
    },
    accepted(calls) {
      inside += calls;
      refusals = 0;
      fullSince = undefined;
      limit = Math.min(MAX_BATCH_TASKS, limit * 2);
    },
    refused(size, error) {
      fullSince ??= performance.now();
      limit = Math.max(1, Math.ceil(size / 2));
      const asked = typeof error.details.retryAfterMs === "number" ? error.details.retryAfterMs : DEFAULT_WAIT_MS;
      // With nothing of this client inside, the queue was perhaps full of what has just ended.
      const soon = inside === 0 ? SHORTEST_WAIT_MS * 2 ** refusals++ : asked;
      const waitMs = Math.max(SHORTEST_WAIT_MS, Math.min(soon, asked));
      return new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(entry);
          resolve();
        };
        // Whoever sees half of its own calls end knows better than the gateway's guess.
        const ends = inside === 0 ? Number.POSITIVE_INFINITY : Math.min(limit, Math.ceil(inside / 2));
        const entry = { ends, wake };
        const timer = setTimeout(wake, waitMs);
        waiting.add(entry);
      });
    },
    ended() {
      inside--;
      for (const entry of waiting) if (--entry.ends <= 0) entry.wake();
    },
    fullMs: () => (fullSince === undefined ? 0 : performance.now() - fullSince),
  };
}
