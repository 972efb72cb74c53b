/** Results that the agent itself writes, for tasks that no manager can report any more. */
import type { ResultEntry } from "../protocol/batch.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import { parseResourceClass, type Resources, type TaskFailure } from "../protocol/task.ts";
import type { BlockEnd } from "./block-steps.ts";
import type { HeldTask } from "./held-task.ts";
import type { TakenCause } from "./provider/port.ts";

/** A task whose manager is known to be dead. It may have been started, unless its start was still being asked for. */
export function lostEntry(task: HeldTask, { block, reason }: { block: string; reason: string }): ResultEntry {
  if (task.spec?.atMostOnce && !task.granted) return returnedEntry(task);
  return {
    id: task.id,
    lease: task.lease,
    outcome: "lost",
    failure: { code: "MANAGER_LOST", message: `block ${block}: ${reason}` },
    length: 0,
    block,
  };
}

/**
 * A task whose manager died before it had begun to work: the trouble of its node, and no attempt (FAULTS.md B15). That it
 * cannot go on so for ever is up to the count of hand-outs (PROTOCOL.md rule 11).
 */
export function unbegunEntry(task: HeldTask, block: string): ResultEntry {
  if (task.spec?.atMostOnce && !task.granted) return returnedEntry(task);
  return { id: task.id, lease: task.lease, outcome: "returned", length: 0, block };
}

/** A task whose block the site ended: that is recorded, and counts against nothing but its own budget (DESIGN.md, placement). */
export function takenEntry(task: HeldTask, { block, end }: { block: string; end: BlockEnd }): ResultEntry {
  const failure = takenFailure(block, end);
  // With the failure: it is not the task's doing, however often it is handed out to no end.
  if (task.spec?.atMostOnce && !task.granted) return { ...returnedEntry(task), failure };
  // Whether it had begun is not known, which counts as a start (PROTOCOL.md rule 11).
  return { id: task.id, lease: task.lease, outcome: "returned", failure, length: 0, block };
}

/** Why the site ended a block, as the history of a task has it. */
export function takenFailure(block: string, { cause, reason }: Pick<BlockEnd, "cause" | "reason">): TaskFailure {
  return { code: cause ? CODES[cause] : "BLOCK_ENDED", message: `block ${block}: ${reason}` };
}

const CODES: Readonly<Record<TakenCause, ErrorCode>> = {
  preempted: "PREEMPTED",
  walltime: "WALLTIME",
  cancelled: "BLOCK_CANCELLED",
  "node-failed": "NODE_FAIL",
};

/** A task that never started: it is queued again and counts no attempt. */
export function returnedEntry({ id, lease }: Pick<HeldTask, "id" | "lease">): ResultEntry {
  return { id, lease, outcome: "returned", started: false, length: 0 };
}

/** One that was handed out for a slot that has gone: not its doing, however often that happens. */
export function strandedEntry(task: Pick<HeldTask, "id" | "lease">): ResultEntry {
  const failure = { code: "BLOCK_ENDED" as const, message: "the slot that it was for went with its block" };
  return { ...returnedEntry(task), failure };
}

/** A task that no node, or no block, of this endpoint can hold. */
export function hopelessEntry(
  task: HeldTask,
  { node, nodesPerBlock }: { node: Resources; nodesPerBlock: number },
): ResultEntry {
  const asked = task.spec ? parseResourceClass(task.spec.class.key) : undefined;
  const only = node.nodes === undefined ? "" : "; its nodes run nothing but commands that ask for `nodes`";
  const tooWide = asked?.nodes !== undefined && asked.nodes > nodesPerBlock;
  const message = tooWide
    ? `the task needs ${asked.nodes} nodes of one block; a block of this endpoint has ${nodesPerBlock} (policy.nodesPerBlock)`
    : `the task needs ${asked ? amountsText(asked) : "more"}; a node of this endpoint offers ${amountsText(node)}${only}`;
  return {
    id: task.id,
    lease: task.lease,
    outcome: "failed",
    started: false,
    failure: { code: "NO_SUCH_RESOURCES", message },
    length: 0,
  };
}

function amountsText({ cores, memoryMb, gpus }: Pick<Resources, "cores" | "memoryMb" | "gpus">): string {
  const parts = [`${cores} core${cores === 1 ? "" : "s"}`];
  if (memoryMb > 0) parts.push(`${memoryMb} MiB of memory`);
  if (gpus > 0) parts.push(`${gpus} GPU${gpus === 1 ? "" : "s"}`);
  return parts.length === 1 ? (parts[0] as string) : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
