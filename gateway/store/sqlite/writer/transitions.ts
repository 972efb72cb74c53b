/** The changes of a task's state. Each updates the row, the counts and the lease mirror together, and appends its event. */

import type { Attempt, TaskFailure, TerminalState } from "../../../../protocol/task.ts";
import type { StoredEvent } from "../../port.ts";
import { idToBytes } from "../ids.ts";
import { CODE, stateOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Endpoint, Task } from "./model.ts";

/** A result as it goes into the task's row. `form` is null when there is none. */
export type StoredResult = { form: number | null; size: number | null; value: Uint8Array | null };
export const NO_RESULT: StoredResult = { form: null, size: null, value: null };

/** The counters that a failed or lost attempt leaves behind. */
export type Tally = { attempt: number; losses: number; repeats: number; deaths: number };

export type Transitions = {
  /** Notes the start of a leased task and returns the event's number. */
  start(task: Task): number;
  /** Ends a task; `ranMs` and `result` only when it ran to its end. Returns the event's number. */
  end(task: Task, state: TerminalState, details: EndDetails): number;
  /** Puts a task back in the queue. With a failure its attempt has ended and is recorded. */
  requeue(task: Task, tally: Tally | null, failure: TaskFailure | null): StoredEvent | null;
  /** The hand-out under way does not count as one that came to no end. */
  forgive(task: Task): void;
  /** Completes the record of an attempt that ended with its block, before it was known why. False when there is none. */
  explain(attempt: { id: string; endpoint: Endpoint; block: string }, failure: TaskFailure): boolean;
  /** Lets a task wait for its retry; its attempt is recorded. */
  wait(task: Task, tally: Tally, wait: { retryAt: number; failure: TaskFailure }): StoredEvent;
  /** The attempts of a task that have ended without ending it. */
  attempts(task: Task): Attempt[];
  event(task: Task, sequence: number, failure: TaskFailure | null): StoredEvent;
};

export type EndDetails = {
  failure: TaskFailure | null;
  ranMs?: number | null;
  result?: StoredResult;
};

/** Prepares the transitions' statements. */
export function createTransitions(base: Base): Transitions {
  const { db, counts, events, interning } = base;
  const setStarted = db.prepare(
    `update tasks set state = ${CODE.running}, attempt = ?, started_at = ?, block = ?, worker = ? where seq = ?`,
  );
  const setEnded = db.prepare(
    `update tasks set state = ?, attempt = ?, started_at = ?, ended_at = ?, ran_ms = ?, block = ?, worker = ?, failure = ?,
       result_form = ?, result_size = ?, result = ? where seq = ?`,
  );
  const setQueued = db.prepare(
    `update tasks set state = ${CODE.queued}, leased_at = null, started_at = null, block = null, worker = null where seq = ?`,
  );
  const setTally = db.prepare(
    "update tasks set attempt = ?, losses = ?, repeats = ?, deaths = ?, ended_lease = lease, failure = ? where seq = ?",
  );
  const setWaiting = db.prepare(
    `update tasks set state = ${CODE.waiting}, retry_at = ?, leased_at = null, started_at = null, block = null, worker = null
     where seq = ?`,
  );
  const setForgiven = db.prepare("update tasks set ended_lease = lease where seq = ?");
  const explainAttempt = db.prepare(
    `update attempts set failure = ?
     where task = (select seq from tasks where id = ? and spec in (select key from specs where endpoint = ?))
       and block = (select key from names where text = ?) and failure like '{"code":"BLOCK_ENDED"%'`,
  );
  const addAttempt = db.prepare("insert or replace into attempts values(?, ?, ?, ?, ?, ?, ?)");
  const attemptRows = db.prepare(
    "select attempt, block, worker, started_at as startedAt, ended_at as endedAt, failure from attempts where task = ? order by attempt",
  );

  function move(task: Task, to: number): void {
    counts.move(task.spec, task.state, to, task.argsSize);
    task.state = to;
  }

  function event(task: Task, sequence: number, failure: TaskFailure | null): StoredEvent {
    const { spec } = task;
    const state = stateOf(task.state);
    const ended = task.state >= CODE.failed;
    return {
      sequence,
      id: task.id,
      owner: spec.owner.name,
      group: spec.group?.name ?? null,
      state,
      attempt: task.attempt,
      failure,
      ranMs: null,
      endpoint: spec.endpoint.id,
      attempts: ended ? [...attempts(task), ...lastAttempt(task, failure)] : null,
      encoding: null,
      size: null,
      blob: null,
    };
  }

  function attempts(task: Task): Attempt[] {
    if (task.attempt === 0) return [];
    return (attemptRows.all(task.seq) as AttemptRow[]).map((row) => {
      const { code, message } = JSON.parse(row.failure) as TaskFailure;
      return {
        attempt: row.attempt,
        endpoint: task.spec.endpoint.id,
        block: interning.nameText(row.block),
        worker: interning.nameText(row.worker),
        startedAt: row.startedAt,
        endedAt: row.endedAt,
        reason: code,
        message,
      };
    });
  }

  /** The attempt that the task's end ended, when one was under way. */
  function lastAttempt(task: Task, failure: TaskFailure | null): Attempt[] {
    if (task.startedAt === null) return [];
    return [
      {
        attempt: task.attempt,
        endpoint: task.spec.endpoint.id,
        block: interning.nameText(task.block),
        worker: interning.nameText(task.worker),
        startedAt: task.startedAt,
        endedAt: base.now,
        reason: failure?.code ?? null,
        message: failure?.message ?? null,
      },
    ];
  }

  function recordAttempt(task: Task, tally: Tally, failure: TaskFailure): void {
    const text = JSON.stringify(failure);
    setTally.run(tally.attempt, tally.losses, tally.repeats, tally.deaths, text, task.seq);
    addAttempt.run(task.seq, tally.attempt, task.block, task.worker, task.startedAt, base.now, text);
    task.attempt = tally.attempt;
  }

  return {
    start(task) {
      task.attempt++;
      task.startedAt = base.now;
      setStarted.run(task.attempt, base.now, task.block, task.worker, task.seq);
      move(task, CODE.running);
      return events.append(task);
    },
    end(task, state, { failure, ranMs = null, result = NO_RESULT }) {
      setEnded.run(
        CODE[state],
        task.attempt,
        task.startedAt,
        base.now,
        ranMs,
        task.block,
        task.worker,
        failure === null ? null : JSON.stringify(failure),
        result.form,
        result.size,
        result.value,
        task.seq,
      );
      base.phases.ended(task, { ranMs, now: base.now });
      task.spec.endpoint.leases.delete(task.id);
      move(task, CODE[state]);
      return events.append(task);
    },
    requeue(task, tally, failure) {
      const wasRunning = task.state === CODE.running;
      if (tally && failure) recordAttempt(task, tally, failure);
      setQueued.run(task.seq);
      task.spec.endpoint.leases.delete(task.id);
      move(task, CODE.queued);
      // A hand-out that nobody saw leaves no event; watchers only hear of a task that had shown a sign of life.
      return wasRunning || failure ? event(task, events.append(task), failure) : null;
    },
    forgive: (task) => void setForgiven.run(task.seq),
    explain({ id, endpoint, block }, failure) {
      return explainAttempt.run(JSON.stringify(failure), idToBytes(id), endpoint.key, block).changes > 0;
    },
    wait(task, tally, { retryAt, failure }) {
      recordAttempt(task, tally, failure);
      setWaiting.run(retryAt, task.seq);
      task.spec.endpoint.leases.delete(task.id);
      move(task, CODE.waiting);
      return event(task, events.append(task), failure);
    },
    attempts,
    event,
  };
}

type AttemptRow = {
  attempt: number;
  block: number | null;
  worker: number | null;
  startedAt: number | null;
  endedAt: number;
  failure: string;
};
