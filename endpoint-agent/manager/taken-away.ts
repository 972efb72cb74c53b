/** Tasks that end because the site takes the node away, by walltime, preemption or a cancel: that counts no attempt (FAULTS.md B4, B5). */
import { constants } from "node:os";
import type { TaskEnd } from "./task.ts";

/** Schedulers signal every process of a job at once: a worker's end may be seen before the manager's own signal. */
export const TAKEN_WAIT_MS = 300;

/** With which they do that, before the SIGKILL that nobody survives. */
const NOTICES = ["SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGXCPU"] as const;
const SIGNALS: ReadonlySet<string> = new Set(NOTICES);
/** As shells pass on that a signal ended their command. */
const EXIT_CODES: ReadonlySet<number> = new Set(NOTICES.map((name) => 128 + constants.signals[name]));

/** Whether a task may have ended so because its node is being taken away. */
export function mayBeTaken({ outcome, failure }: TaskEnd): boolean {
  if (failure === undefined || (outcome !== "lost" && outcome !== "failed")) return false;
  if (failure.code === "MANAGER_LOST") return true;
  if (failure.signal !== undefined) return SIGNALS.has(failure.signal);
  return failure.exitCode !== undefined && EXIT_CODES.has(failure.exitCode);
}

/** The same end, once it is known that the node is being taken away. */
export function takenEnd(end: TaskEnd): TaskEnd {
  if (!mayBeTaken(end)) return end;
  const { failure: _, ...rest } = end;
  return { ...rest, outcome: "returned" };
}
