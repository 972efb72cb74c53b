/** Carries out what the verdict says about a hand-out that ended otherwise than well. */
import type { ErrorCode } from "../../../../protocol/errors.ts";
import type { TaskFailure } from "../../../../protocol/task.ts";
import type { StoredEvent } from "../../port.ts";
import { type HandOutEnd, isTaken, judge, type Verdict } from "../../verdict.ts";
import { CODE, encodingOf, PLACE, placeOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Task } from "./model.ts";
import { NO_RESULT, type StoredResult, type Transitions } from "./transitions.ts";

export type End = HandOutEnd & {
  ranMs?: number | null;
  /** stores the result that came along; called only when the task ends by it */
  result?: () => StoredResult;
};

export type HandOutEnds = {
  /** Ends the current hand-out of a leased or running task; null when nobody needs to hear of it. */
  end(task: Task, end: End): StoredEvent | null;
};

const NEVER_TAKEN = { taken: 0, nodeFailures: 0 };

/** Prepares the look-up of what earlier attempts came to. */
export function createHandOutEnds(base: Base, transitions: Transitions): HandOutEnds {
  const facts = base.db.prepare("select losses, repeats, deaths, ended_lease as endedLease from tasks where seq = ?");

  /** Their attempts are the record of it. */
  function takenBefore(task: Task): typeof NEVER_TAKEN {
    const reasons = transitions.attempts(task).map(({ reason }) => ({ code: reason as ErrorCode }));
    const taken = reasons.filter(isTaken);
    return { taken: taken.length, nodeFailures: taken.filter(({ code }) => code === "NODE_FAIL").length };
  }

  function verdictOn(task: Task, end: End): Verdict {
    const row = facts.get(task.seq) as { losses: number; repeats: number; deaths: number; endedLease: number };
    const { atMostOnce, retries, retryDelayMs, maxAttempts } = task.spec;
    const handOuts = task.lease - row.endedLease;
    const running = task.state === CODE.running;
    const { attempt } = task;
    const past = isTaken(end.failure) ? takenBefore(task) : NEVER_TAKEN;
    return judge({ ...row, ...past, running, attempt, handOuts, atMostOnce, retries, retryDelayMs, maxAttempts }, end);
  }

  function fail(task: Task, { attempt, failure }: { attempt: number; failure: TaskFailure }, end: End): StoredEvent {
    const ranMs = end.ranMs ?? null;
    task.attempt = attempt;
    const result = end.result?.() ?? NO_RESULT;
    const sequence = transitions.end(task, "failed", { failure, ranMs, result });
    const event = transitions.event(task, sequence, failure);
    if (result.form === null) return { ...event, ranMs };
    const blob = placeOf(result.form) === PLACE.blob ? Buffer.from(result.value as Uint8Array).toString("hex") : null;
    return { ...event, ranMs, encoding: encodingOf(result.form), size: result.size, blob };
  }

  return {
    end(task, end) {
      const verdict = verdictOn(task, end);
      const { attempt, losses, repeats, deaths } = verdict;
      const tally = { attempt, losses, repeats, deaths };
      if (attempt > task.attempt && task.startedAt === null) task.startedAt = Math.round(base.now - (end.ranMs ?? 0));
      if (verdict.to === "failed") return fail(task, verdict, end);
      if (verdict.to === "waiting") {
        return transitions.wait(task, tally, { retryAt: base.now + verdict.delayMs, failure: verdict.failure });
      }
      if (verdict.free) transitions.forgive(task);
      return transitions.requeue(task, verdict.counted ? tally : null, verdict.failure);
    },
  };
}
