/** The scheduler's list of this user's jobs: one question at a time, for all blocks, and not too often (FAULTS.md B9). */
import type { JobId } from "../port.ts";
import type { ListedJob } from "./dialect.ts";

export type List = {
  /** counts the lists that could be read */
  serial: number;
  /** when it was asked for: what was submitted later need not be in it */
  askedAt: number;
  jobs: ReadonlyMap<JobId, ListedJob>;
};

export type ListingOptions = {
  /** asks; rejects with the scheduler's words when nothing can be trusted */
  ask(): Promise<readonly ListedJob[]>;
  intervalMs: number;
  /** also what must pass between two questions when there is reason to hurry */
  minIntervalMs: number;
  maxIntervalMs: number;
  now(): number;
  /** in [0, 1) */
  random(): number;
  onFailure(error: Error): void;
};

export type Listing = {
  /** The newest list, asked for if it is time; undefined while nothing is known. */
  latest(): Promise<List | undefined>;
  /** Something was changed: look sooner. */
  hasten(): void;
  /** until the next question is due */
  readonly waitMs: number;
  /** what went wrong last; null while it answers */
  readonly trouble: string | null;
  /** has failed more than once in a row */
  readonly failing: boolean;
};

/** Makes a list that has not been asked for yet. */
export function createListing(options: ListingOptions): Listing {
  const { intervalMs, minIntervalMs, maxIntervalMs, now } = options;
  let current: List | undefined;
  let running: Promise<List | undefined> | undefined;
  let serial = 0;
  let failures = 0;
  let trouble: string | null = null;
  let endedAt = Number.NEGATIVE_INFINITY;
  let dueAt = Number.NEGATIVE_INFINITY;

  const ask = async () => {
    const askedAt = now();
    try {
      const jobs = await options.ask();
      current = { serial: ++serial, askedAt, jobs: new Map(jobs.map((job) => [job.id, job])) };
      failures = 0;
      trouble = null;
    } catch (error) {
      // What it said before is old: the last states stay where they were used.
      current = undefined;
      failures++;
      trouble = (error as Error).message;
      options.onFailure(error as Error);
    }
    endedAt = now();
    const wait = Math.min(Math.max(intervalMs, maxIntervalMs), intervalMs * 2 ** Math.min(failures, 16));
    // Jitter upwards only: agents that were started together do not stay together, and none asks too often.
    dueAt = endedAt + wait * (1 + options.random() / 10);
    running = undefined;
    return current;
  };
  return {
    latest() {
      if (running) return running;
      if (now() < dueAt) return Promise.resolve(current);
      running = ask();
      return running;
    },
    hasten() {
      if (failures === 0) dueAt = Math.min(dueAt, endedAt + minIntervalMs);
    },
    get waitMs() {
      return Math.max(0, dueAt - now());
    },
    get trouble() {
      return trouble;
    },
    get failing() {
      return failures > 1;
    },
  };
}
