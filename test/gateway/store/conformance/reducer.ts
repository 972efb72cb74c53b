/**
 * The life of a task as the rules tell it, in memory and without any database. Written apart from the store's own code, so
 * that a mistake there is not made here again.
 */
import type { Outcome } from "../../../../protocol/batch.ts";
import type { ErrorCode } from "../../../../protocol/errors.ts";

export type Kind = {
  priority: number;
  atMostOnce: boolean;
  retries: number;
  retryDelayMs: number;
  maxAttempts: number;
  ttlMs: number;
};

export type ModelTask = {
  id: string;
  kind: Kind;
  state: "queued" | "leased" | "running" | "waiting" | "succeeded" | "failed" | "cancelled" | "expired";
  code: ErrorCode | null;
  lease: number;
  attempt: number;
  losses: number;
  repeats: number;
  deaths: number;
  /** hand-outs since an attempt ended */
  idle: number;
  expiresAt: number;
  retryAt: number;
};

export const TERMINAL = new Set<string>(["succeeded", "failed", "cancelled", "expired"]);
const REPEATED = new Set<ErrorCode>(["USER_ERROR", "COMMAND_FAILED", "TIMEOUT", "EXITED", "SIGNAL", "OOM"]);
const DEADLY = new Set<ErrorCode>(["WORKER_LOST", "EXITED", "SIGNAL", "OOM"]);

export type Ending = { outcome: Outcome; code: ErrorCode; started: boolean | undefined };

export function newTask(id: string, kind: Kind, now: number): ModelTask {
  const counters = { lease: 0, attempt: 0, losses: 0, repeats: 0, deaths: 0, idle: 0, retryAt: 0 };
  return { id, kind, state: "queued", code: null, ...counters, expiresAt: now + kind.ttlMs };
}

/** Hands out up to `room` of what waits, by priority, then by age; returns their ids. */
export function handOut(tasks: readonly ModelTask[], room: number, now: number): string[] {
  const waiting = tasks.filter((task) => task.state === "queued" && task.expiresAt > now);
  waiting.sort((a, b) => b.kind.priority - a.kind.priority || tasks.indexOf(a) - tasks.indexOf(b));
  for (const task of waiting.slice(0, room)) {
    task.state = "leased";
    task.lease++;
    task.idle++;
  }
  return waiting.slice(0, room).map((task) => task.id);
}

export function holds(task: ModelTask, lease: number): boolean {
  return (task.state === "leased" || task.state === "running") && task.lease === lease;
}

export function start(task: ModelTask): void {
  if (task.state === "running") return;
  task.state = "running";
  task.attempt++;
}

/** The end of the current hand-out. */
export function end(task: ModelTask, { outcome, code, started }: Ending, now: number): void {
  const running = task.state === "running";
  if (outcome === "succeeded") {
    if (!running) task.attempt++;
    finish(task, "succeeded", null);
    return;
  }
  if (outcome === "returned" || (outcome === "lost" && started === false && !running)) {
    giveBack(task, running || started === true);
    return;
  }
  const ran = outcome === "lost" || started !== false;
  const early = outcome === "failed" && code === "LOAD_ERROR";
  if (!running && ran && !early) task.attempt++;
  if (DEADLY.has(code)) task.deaths++;
  if (outcome === "lost") lose(task, code);
  else fail(task, code, now);
}

function giveBack(task: ModelTask, started: boolean): void {
  if (task.kind.atMostOnce && started) {
    if (task.state !== "running") task.attempt++;
    finish(task, "failed", "MAYBE_RAN");
  } else if (task.idle >= 10) finish(task, "failed", "POISON");
  else task.state = "queued";
}

function lose(task: ModelTask, code: ErrorCode): void {
  task.losses++;
  if (task.kind.atMostOnce) finish(task, "failed", "MAYBE_RAN");
  else if (task.deaths >= 3) finish(task, "failed", "POISON");
  else if (task.losses >= task.kind.maxAttempts) finish(task, "failed", code);
  else {
    task.state = "queued";
    task.idle = 0;
    task.code = code;
  }
}

function fail(task: ModelTask, code: ErrorCode, now: number): void {
  const repeat = !task.kind.atMostOnce && REPEATED.has(code) && task.repeats < task.kind.retries;
  if (!repeat) finish(task, "failed", code);
  else if (task.deaths >= 3) finish(task, "failed", "POISON");
  else {
    task.state = "waiting";
    task.retryAt = now + task.kind.retryDelayMs * 2 ** task.repeats++;
    task.idle = 0;
    task.code = code;
  }
}

export function finish(task: ModelTask, state: ModelTask["state"], code: ErrorCode | null): void {
  task.state = state;
  task.code = code;
}

/** Time has passed: retries are due, lives are over. */
export function tick(tasks: readonly ModelTask[], now: number): void {
  for (const task of tasks) {
    if (task.state === "waiting" && task.retryAt <= now) task.state = "queued";
    if (!TERMINAL.has(task.state) && task.expiresAt <= now) finish(task, "expired", "EXPIRED");
  }
}
