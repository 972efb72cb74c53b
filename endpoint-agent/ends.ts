/** Results that the agent itself writes, for tasks that no manager can report any more. */
import type { ResultEntry } from "../protocol/batch.ts";
import type { Resources } from "../protocol/task.ts";
import type { HeldTask } from "./held-task.ts";

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

/** A task whose block the site ended: whether it had started or not, that counts no attempt (DESIGN.md, placement). */
export function takenEntry(task: HeldTask, block: string): ResultEntry {
  if (task.spec?.atMostOnce && !task.granted) return returnedEntry(task);
  return { id: task.id, lease: task.lease, outcome: "returned", started: true, length: 0, block };
}

/** A task that never started: it is queued again and counts no attempt. */
export function returnedEntry({ id, lease }: Pick<HeldTask, "id" | "lease">): ResultEntry {
  return { id, lease, outcome: "returned", started: false, length: 0 };
}

/** A task that no node of this endpoint can hold. */
export function hopelessEntry(task: HeldTask, { cores, memoryMb, gpus, nodes }: Resources): ResultEntry {
  const offered = `${cores} cores, ${memoryMb} MiB of memory and ${gpus} GPUs`;
  const only = nodes === undefined ? "" : "; its nodes run nothing but commands that ask for `nodes`";
  return {
    id: task.id,
    lease: task.lease,
    outcome: "failed",
    started: false,
    failure: {
      code: "NO_SUCH_RESOURCES",
      message: `the task needs ${task.spec?.class.key ?? "more"}; a node of this endpoint offers ${offered}${only}`,
    },
    length: 0,
  };
}
