/** HTCondor's job states, as its queue and its history tell them. */
import type { TakenCause } from "../port.ts";
import type { ListedJob } from "./dialect.ts";

/** The list that `-json` prints; undefined when it is none. */
export function attributesOf(text: string): Record<string, unknown>[] | undefined {
  try {
    const ads: unknown = JSON.parse(text);
    const isList = Array.isArray(ads) && ads.every((ad) => typeof ad === "object" && ad !== null && !Array.isArray(ad));
    return isList ? ads : undefined;
  } catch {
    return undefined;
  }
}

/** In the queue a removed job still has processes; it reaches the history when they have ended. */
export function jobOf(ad: Record<string, unknown>, from: "queue" | "history"): ListedJob | undefined {
  const number = (key: string) => (Number.isSafeInteger(ad[key]) ? (ad[key] as number) : undefined);
  const text = (key: string) => (typeof ad[key] === "string" ? (ad[key] as string) : undefined);
  const [cluster, proc, status] = [number("ClusterId"), number("ProcId"), number("JobStatus")];
  if (cluster === undefined || proc === undefined || status === undefined) return undefined;
  // Attributes come in the order of the alphabet: the rest of another job, behind a loss, has another name at its end.
  if (ad.ZFarcallName !== undefined && ad.ZFarcallName !== ad.JobBatchName) return undefined;
  const job = { id: `${cluster}.${proc}`, name: text("JobBatchName") ?? "" };
  if (status === REMOVED && from === "history") {
    return { ...job, state: "gone", reason: text("RemoveReason") ?? "removed", taken: true, ...causeOf(ad) };
  }
  if (status === COMPLETED) {
    // Only now: before, these are of an earlier start.
    if (ad.ExitBySignal !== true)
      return { ...job, state: "gone", reason: `exit code ${number("ExitCode") ?? "unknown"}` };
    const signal = number("ExitSignal");
    return { ...job, state: "gone", reason: `ended by signal ${signal}`, ...(signal === TERM ? { taken: true } : {}) };
  }
  if (from === "history") return undefined;
  switch (status) {
    case 1:
      return { ...job, state: "pending", reason: "idle" };
    case 2:
      return { ...job, state: "running", reason: "running" };
    case REMOVED:
      return { ...job, state: "running", reason: `being removed: ${text("RemoveReason") ?? "no reason given"}` };
    case 5: {
      const byUser = BY_USER.has(number("HoldReasonCode") ?? 0);
      return {
        ...job,
        state: "held",
        reason: `held: ${text("HoldReason") ?? "no reason given"}`,
        ...(byUser ? {} : { hopeless: true }),
      };
    }
    case 6:
      return { ...job, state: "running", reason: "transferring output" };
    case 7:
      return { ...job, state: "held", reason: "suspended" };
    default:
      return undefined;
  }
}

/** Our own periodic_remove strikes jobs that lost their place, and those whose walltime is over: the words do not tell which. */
function causeOf({ RemoveReason: why }: Record<string, unknown>): { cause?: TakenCause } {
  return typeof why === "string" && /^via condor_rm\b/.test(why) ? { cause: "cancelled" } : {};
}

const REMOVED = 3;
const COMPLETED = 4;
const TERM = 15;
/** condor_hold, and a submission on hold: somebody means to let it go. All else is something that failed. */
const BY_USER: ReadonlySet<number> = new Set([1, 15]);
