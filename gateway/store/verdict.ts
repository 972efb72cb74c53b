/**
 * What becomes of a task when a hand-out of it ends (PROTOCOL.md rules 10, 11, 14; DESIGN.md promise 4). Pure, and the same for
 * every adapter.
 */
import type { Outcome } from "../../protocol/batch.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { TaskFailure } from "../../protocol/task.ts";
import { DEFAULTS } from "../../protocol/task-constants.ts";

/** What is known of a task before the verdict. */
export type Facts = {
  /** its start is committed */
  running: boolean;
  /** starts so far */
  attempt: number;
  /** infrastructure losses so far */
  losses: number;
  /** repeats after a failure of the user's code so far */
  repeats: number;
  /** workers that died of it so far */
  deaths: number;
  /** hand-outs since an attempt of it last ended, this one included */
  handOuts: number;
  /** attempts that the site took away, and among them those whose node failed */
  taken: number;
  nodeFailures: number;
  atMostOnce: boolean;
  retries: number;
  retryDelayMs: number;
  maxAttempts: number;
};

/** How the hand-out ended. `started` undefined: not known. */
export type HandOutEnd = {
  outcome: Exclude<Outcome, "succeeded">;
  failure?: TaskFailure | undefined;
  started?: boolean | undefined;
};

export type Verdict = {
  attempt: number;
  losses: number;
  repeats: number;
  deaths: number;
  failure: TaskFailure | null;
} & (
  | { to: "failed"; failure: TaskFailure }
  | { to: "waiting"; delayMs: number; failure: TaskFailure }
  /** `counted`: an attempt ended; otherwise the hand-out left no trace; `free`: it does not even count as a hand-out */
  | { to: "queued"; counted: boolean; free?: true }
);

/** A retry waits no longer than this. */
const MAX_RETRY_DELAY_MS = 3_600_000;
/** Workers that may die of a task before it is POISON. */
const MAX_DEATHS = 3;

/** Failures of the user's own code, which `retries` repeats. */
const REPEATABLE: ReadonlySet<ErrorCode> = new Set([
  "USER_ERROR",
  "COMMAND_FAILED",
  "TIMEOUT",
  "EXITED",
  "SIGNAL",
  "OOM",
]);
/** Failures that took the worker process down. */
const DEADLY: ReadonlySet<ErrorCode> = new Set(["WORKER_LOST", "EXITED", "SIGNAL", "OOM"]);
/** Failures before any user code ran: no attempt. */
const BEFORE_START: ReadonlySet<ErrorCode> = new Set(["LOAD_ERROR", "FUNCTION_GONE", "BLOB_GONE", "NO_SUCH_RESOURCES"]);

/** What the site does, and no task: such attempts are recorded and bounded for themselves (FAULTS.md B4, B5). */
const TAKEN: ReadonlySet<ErrorCode> = new Set(["PREEMPTED", "WALLTIME", "BLOCK_CANCELLED", "NODE_FAIL", "BLOCK_ENDED"]);

/** Whether the site took away what failed so. */
export function isTaken(failure: Pick<TaskFailure, "code"> | undefined): boolean {
  return failure !== undefined && TAKEN.has(failure.code);
}

/** Decides what becomes of the task. */
export function judge(facts: Facts, end: HandOutEnd): Verdict {
  const started = facts.running || end.started;
  if (end.outcome === "failed") return judgeFailure(facts, end, started);
  if (end.outcome === "lost" && started !== false) return judgeLoss(facts, end.failure);
  if (end.failure && isTaken(end.failure)) return judgeTaken(facts, end.failure, started);
  return judgeReturn(facts, started === true);
}

/** The attempt number once the start of this hand-out is counted. */
function counted(facts: Facts): number {
  return facts.running ? facts.attempt : facts.attempt + 1;
}

function judgeFailure(facts: Facts, end: HandOutEnd, started: boolean | undefined): Verdict {
  const failure = end.failure ?? unsaid("INTERNAL", "The agent reported a failure without saying which.");
  const ran = facts.running || (started !== false && !BEFORE_START.has(failure.code));
  const deaths = facts.deaths + (DEADLY.has(failure.code) ? 1 : 0);
  const base = { ...tally(facts), deaths, attempt: ran ? counted(facts) : facts.attempt };
  if (facts.atMostOnce || !REPEATABLE.has(failure.code) || facts.repeats >= facts.retries) {
    return { ...base, to: "failed", failure };
  }
  if (deaths >= MAX_DEATHS) return { ...base, to: "failed", failure: poison(deaths, failure) };
  const delayMs = Math.min(MAX_RETRY_DELAY_MS, facts.retryDelayMs * 2 ** facts.repeats);
  return { ...base, to: "waiting", repeats: facts.repeats + 1, delayMs, failure };
}

function judgeLoss(facts: Facts, said: TaskFailure | undefined): Verdict {
  const failure = said ?? unsaid("WORKER_LOST", "The agent reported a loss without saying which.");
  const deaths = facts.deaths + (DEADLY.has(failure.code) ? 1 : 0);
  const base = { ...tally(facts), deaths, attempt: counted(facts), losses: facts.losses + 1 };
  if (facts.atMostOnce) return { ...base, to: "failed", failure: maybeRan(failure) };
  if (deaths >= MAX_DEATHS) return { ...base, to: "failed", failure: poison(deaths, failure) };
  if (base.losses >= facts.maxAttempts) return { ...base, to: "failed", failure };
  return { ...base, to: "queued", counted: true, failure };
}

/** An unknown start counts as one (PROTOCOL.md rule 11). A task that its node fails under again and again may be why it does. */
function judgeTaken(facts: Facts, failure: TaskFailure, started: boolean | undefined): Verdict {
  const base = tally(facts);
  // An at-most-once task whose start is not committed was never handed to a worker (rule 10).
  if (started === false || (facts.atMostOnce && !started))
    return { ...base, to: "queued", counted: false, free: true, failure: null };
  const attempt = counted(facts);
  if (facts.atMostOnce) return { ...base, attempt, to: "failed", failure: maybeRan(failure) };
  const over = (times: number, what: string) => {
    const message = `${what} ${times} times; the last time: ${failure.message}`;
    return { ...base, attempt, to: "failed" as const, failure: { ...failure, message } };
  };
  if (failure.code === "NODE_FAIL" && facts.nodeFailures + 1 >= DEFAULTS.maxNodeFailures) {
    return over(facts.nodeFailures + 1, "its node failed");
  }
  if (facts.taken + 1 >= DEFAULTS.maxTaken) return over(facts.taken + 1, "its block was taken away");
  return { ...base, attempt, to: "queued", counted: true, failure };
}

function judgeReturn(facts: Facts, started: boolean): Verdict {
  const base = tally(facts);
  if (facts.atMostOnce && started) {
    return { ...base, attempt: counted(facts), to: "failed", failure: maybeRan(undefined) };
  }
  if (facts.handOuts >= DEFAULTS.maxHandOuts) {
    return {
      ...base,
      to: "failed",
      failure: unsaid("POISON", `It was handed out ${facts.handOuts} times and never came to an end.`),
    };
  }
  return { ...base, to: "queued", counted: false, failure: null };
}

function tally({ attempt, losses, repeats, deaths }: Facts) {
  return { attempt, losses, repeats, deaths };
}

function unsaid(code: ErrorCode, message: string): TaskFailure {
  return { code, message };
}

function poison(deaths: number, last: TaskFailure): TaskFailure {
  return {
    code: "POISON",
    message: `${deaths} workers died of it; the last with ${last.code}: ${last.message}`,
    details: { last },
  };
}

function maybeRan(cause: TaskFailure | undefined): TaskFailure {
  return {
    code: "MAYBE_RAN",
    message: cause ? `It was lost after its start: ${cause.message}` : "It came back after its start.",
    ...(cause ? { details: { cause } } : {}),
  };
}
