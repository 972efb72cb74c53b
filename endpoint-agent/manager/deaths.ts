/** What the end of a worker process means for the task that it was running (FAULTS.md W1 to W5). */
import { constants } from "node:os";
import type { TaskFailure } from "../../protocol/task.ts";
import type { TaskEnd } from "./task.ts";

/** Why the manager itself ended a worker. */
export type KillReason =
  | { kind: "timeout"; timeoutMs: number }
  | { kind: "cancel" }
  | { kind: "memory" }
  | { kind: "forged"; what: string }
  /** its descriptors were tampered with between tasks: what it holds was not started */
  | { kind: "broken"; what: string }
  | { kind: "stop"; why: string };

export type Death = {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  killed: KillReason | undefined;
  /** of the task or worker; 0 when there is none */
  limitMb: number;
  peakMb: number | undefined;
  /** the kernel or a watch says that memory ran out */
  outOfMemory: boolean;
  stderrTail: string;
};

/** Signals that somebody outside sends; what a crash raises is not among them. */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPWR"]);
const HEAP_ENDED = /JavaScript heap out of memory|Reached heap limit|std::bad_alloc/;

/** The outcome of the started task. */
export function endOfDeath(death: Death): Pick<TaskEnd, "outcome" | "failure"> {
  const { killed, exitCode, signal, stderrTail } = death;
  if (killed?.kind === "timeout") {
    return failed({ code: "TIMEOUT", message: `it ran longer than its timeout of ${killed.timeoutMs} ms` });
  }
  if (killed?.kind === "cancel") return failed({ code: "CANCELLED", message: "it was cancelled while it ran" });
  if (killed?.kind === "stop") return lost({ code: "MANAGER_LOST", message: killed.why });
  if (killed?.kind === "broken")
    return lost({ code: "MANAGER_LOST", message: `its worker was replaced: ${killed.what}` });
  if (killed?.kind === "forged") {
    return lost({ code: "WORKER_LOST", message: `its worker was killed: ${killed.what}`, details: { forged: true } });
  }
  if (killed?.kind === "memory" || death.outOfMemory || (signal !== null && HEAP_ENDED.test(stderrTail))) {
    return failed({ code: "OOM", message: outOfMemoryText(death), details: memoryDetails(death) });
  }
  if (signal !== null && FROM_OUTSIDE.has(signal)) {
    return lost({ code: "WORKER_LOST", message: `its worker was ended from outside by ${signal}`, signal });
  }
  const words = stderrTail ? `; the end of stderr: ${stderrTail}` : "";
  if (signal !== null) {
    const number = constants.signals[signal];
    return failed({ code: "SIGNAL", message: `the worker was ended by ${signal} (${number})${words}`, signal });
  }
  const code = exitCode ?? -1;
  return failed({
    code: "EXITED",
    message: `the worker process exited with code ${code} while the function ran${words}`,
    exitCode: code,
  });
}

function outOfMemoryText({ limitMb, peakMb }: Death): string {
  const limit = limitMb > 0 ? `its limit of ${limitMb} MB` : "the memory there was";
  return `it needed more than ${limit}${peakMb === undefined ? "" : `; its peak was ${Math.round(peakMb)} MB resident`}`;
}

function memoryDetails({ limitMb, peakMb }: Death): Record<string, unknown> {
  return { limitMb, ...(peakMb === undefined ? {} : { peakMb: Math.round(peakMb) }) };
}

function failed(failure: TaskFailure): Pick<TaskEnd, "outcome" | "failure"> {
  return { outcome: "failed", failure };
}

function lost(failure: TaskFailure): Pick<TaskEnd, "outcome" | "failure"> {
  return { outcome: "lost", failure };
}
