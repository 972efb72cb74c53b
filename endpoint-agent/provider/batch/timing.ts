/** How long the engine waits for what. Tests make it short. */
import { uptimeMs } from "../../clock.ts";
import { DEAD_AFTER_DEADLINE_MS } from "../../managers.ts";

export type Timing = {
  /** between two lists, and the least when there is reason to hurry */
  intervalMs: number;
  minIntervalMs: number;
  /** while lists fail, the interval doubles up to here */
  maxIntervalMs: number;
  /** a submission without an answer: so long, and in so many lists, it must not have come up */
  doubtMs: number;
  minLists: number;
  /** a job that lists no longer have may be gone after this, if its managers are silent for their whole orphan timeout too */
  graceMs: number;
  /** after their deadline, work without contact has certainly been killed */
  deadAfterMs: number;
  /** managers that were heard within this time outrank the scheduler */
  answerMs: number;
  /** Slurm gives 30 s between TERM and KILL, others 10 s; sites change that */
  cancelGraceMs: number;
  /** a clock that counts suspend */
  now(): number;
  /** in [0, 1) */
  random(): number;
};

export const DEFAULT_TIMING: Omit<Timing, "intervalMs"> = {
  minIntervalMs: 10_000,
  maxIntervalMs: 300_000,
  doubtMs: 60_000,
  minLists: 3,
  graceMs: 300_000,
  deadAfterMs: DEAD_AFTER_DEADLINE_MS,
  answerMs: 10_000,
  cancelGraceMs: 90_000,
  now: uptimeMs,
  random: Math.random,
};
