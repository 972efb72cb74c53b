/** What each frame of the agent makes the engine do. Beats and welcomes are the session's (session.ts). */
import type { AgentToManager } from "../../protocol/manager-frames.ts";
import type { HeldLease } from "../../protocol/messages.ts";
import { crashPoint } from "../crash-point.ts";
import type { KillReason } from "./deaths.ts";
import type { Engine } from "./engine.ts";
import type { Task } from "./task.ts";
import { takeBack } from "./worker.ts";

/** A cancelled task is gone within 2 s, its own clean-up included. */
const CANCEL_GRACE_MS = 1_500;

/** Handles a frame; returns false when it is none of the engine's. */
export function onAgentFrame(engine: Engine, frame: AgentToManager, body: Uint8Array): boolean {
  switch (frame.kind) {
    case "tasks":
      crashPoint("manager-tasks-received");
      engine.intake.take(frame.specs, frame.tasks, body);
      crashPoint("manager-tasks-placed");
      if (engine.draining()) engine.drain();
      break;
    case "taken":
      engine.outbox.taken(frame.message);
      break;
    case "function":
      onDisk(engine, () => engine.intake.resolved(engine.functions.arrived(frame.function, frame.definition, body)));
      break;
    case "function-error":
      onFunctionError(engine, frame);
      break;
    case "start":
      onStart(engine, frame);
      break;
    case "cancel":
      for (const lease of frame.leases) cancel(engine, lease);
      break;
    case "blob-chunk":
      onDisk(engine, () => engine.blobsIn.chunk(frame, body));
      break;
    case "blob-error":
      engine.blobsIn.failed(frame.blob, frame.message);
      break;
    case "taken-blob":
      engine.blobsOut.taken(frame);
      break;
    case "watch":
      watch(engine, frame.task, frame.watch);
      break;
    default:
      return false;
  }
  engine.schedule();
  return true;
}

/** Hands back up to `count` tasks that no worker has started, the last that came first. */
export function giveBack(engine: Engine, count: number): HeldLease[] {
  const leases: HeldLease[] = [];
  const give = (task: Task) => {
    leases.push([task.id, task.lease]);
    engine.intake.forget(task);
  };
  for (const queue of engine.queues.waiting().reverse()) {
    while (leases.length < count) {
      const task = queue.pop();
      if (!task) break;
      give(task);
    }
  }
  for (const worker of engine.pool.workers) {
    if (leases.length >= count) break;
    const back = takeBack(worker);
    for (const task of back.splice(Math.max(0, back.length - (count - leases.length)))) give(task);
    back[0]?.info.queue?.unshift(back);
  }
  engine.schedule();
  return leases;
}

/** Ends a task without a word to the agent, which knows that it is no longer wanted. */
export function dropSilently(engine: Engine, task: Task): void {
  engine.intake.forget(task);
  killPlaced(engine, task, { kind: "cancel" });
}

function cancel(engine: Engine, [id, lease]: HeldLease): void {
  const task = engine.intake.tasks.get(id);
  if (!task || task.lease !== lease) return;
  if (killPlaced(engine, task, { kind: "cancel" })) return;
  engine.end(task, { outcome: "returned", started: false });
}

/** Kills a started task; returns false when it was not started, and now will not be. */
function killPlaced(engine: Engine, task: Task, reason: KillReason): boolean {
  const run = engine.commands.runs.get(task);
  if (run?.started) {
    engine.commands.kill(task, reason, CANCEL_GRACE_MS);
    return true;
  }
  if (engine.placement.startAnswered(task, false)) return false;
  const worker = engine.pool.workers.find((candidate) => candidate.tasks.includes(task));
  if (!worker) return false;
  // The permits decide whether it was started; the others that come back are placed again.
  const back = takeBack(worker);
  const started = !back.includes(task);
  const others = back.filter((other) => other !== task);
  others[0]?.info.queue?.unshift(others);
  if (started) engine.pool.kill(worker, reason, CANCEL_GRACE_MS);
  return started;
}

/** A node whose disk takes nothing can run nothing that it does not have: the manager drains, and what it gave back runs elsewhere. */
function onDisk(engine: Engine, act: () => void): void {
  try {
    act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    engine.broken(`this node's disk takes nothing: ${(error as Error).message}`);
  }
}

function onStart(engine: Engine, { id, lease, go }: AgentToManager & { kind: "start" }): void {
  const task = engine.intake.tasks.get(id);
  if (!task || task.lease !== lease) return;
  // A start that would be killed at the deadline is not made; the task stays reserved until then.
  if (go && !engine.mayStart()) return;
  task.startCommitted = go;
  if (!go) engine.intake.forget(task);
  engine.placement.startAnswered(task, go);
}

function onFunctionError(engine: Engine, { function: id, code, message }: AgentToManager & { kind: "function-error" }) {
  if (code === "FUNCTION_GONE") engine.intake.resolved(engine.functions.failed(id, { code, message }));
  else setTimeout(() => engine.functions.askAgain(id), 1_000).unref();
}

function watch(engine: Engine, id: string, on: boolean): void {
  engine.watches.set(id, on);
  const task = engine.intake.tasks.get(id);
  if (!on || !task) return;
  const worker = engine.pool.workers.find((candidate) => candidate.tasks[0] === task);
  const outputs = worker?.process.outputs ?? engine.commands.runs.get(task)?.outputs;
  if (!outputs) return;
  for (const stream of ["stdout", "stderr"] as const) engine.watches.replay(task, stream, outputs[stream].peek());
}
