/** Slurm's words: every state of `squeue` and `sacct`, and which reasons of a pending job never go away. */
import type { JobState, TakenCause } from "../port.ts";

type Meaning = { state: JobState; taken?: true; cause?: TakenCause; unproven?: true };

const PENDING: Meaning = { state: "pending" };
const RUNNING: Meaning = { state: "running" };
const HELD: Meaning = { state: "held" };
const GONE: Meaning = { state: "gone" };
const takenBy = (cause: TakenCause): Meaning => ({ state: "gone", taken: true, cause });
/** Slurm has not seen its processes end: a node that it lost may still run them. */
const LOST: Meaning = { ...takenBy("node-failed"), unproven: true };

/** Long forms (`%T`, sacct). COMPLETING is no verdict: processes may still live, and it may go back to PENDING. */
export const SLURM_STATES: Readonly<Record<string, Meaning>> = {
  PENDING,
  CONFIGURING: PENDING,
  EXPEDITING: PENDING,
  POWER_UP_NODE: PENDING,
  REQUEUED: PENDING,
  REQUEUE_FED: PENDING,
  REQUEUE_HOLD: HELD,
  RESV_DEL_HOLD: HELD,
  SPECIAL_EXIT: HELD,
  STOPPED: HELD,
  SUSPENDED: HELD,
  RUNNING,
  COMPLETING: RUNNING,
  RESIZING: RUNNING,
  SIGNALING: RUNNING,
  STAGE_OUT: RUNNING,
  UPDATE_DB: RUNNING,
  COMPLETED: GONE,
  FAILED: GONE,
  BOOT_FAIL: GONE,
  LAUNCH_FAILED: GONE,
  RECONFIG_FAIL: GONE,
  OUT_OF_MEMORY: GONE,
  CANCELLED: takenBy("cancelled"),
  DEADLINE: takenBy("walltime"),
  PREEMPTED: takenBy("preempted"),
  TIMEOUT: takenBy("walltime"),
  NODE_FAIL: LOST,
  REVOKED: { ...takenBy("cancelled"), unproven: true },
};

/** Short forms (`%t`), as far as they are documented. Asked for beside the long ones: a spoilt line contradicts itself. */
export const SLURM_CODES: Readonly<Record<string, string>> = {
  PENDING: "PD",
  CONFIGURING: "CF",
  REQUEUED: "RQ",
  REQUEUE_FED: "RF",
  REQUEUE_HOLD: "RH",
  RESV_DEL_HOLD: "RD",
  SPECIAL_EXIT: "SE",
  STOPPED: "ST",
  SUSPENDED: "S",
  RUNNING: "R",
  COMPLETING: "CG",
  RESIZING: "RS",
  SIGNALING: "SI",
  STAGE_OUT: "SO",
  COMPLETED: "CD",
  FAILED: "F",
  BOOT_FAIL: "BF",
  OUT_OF_MEMORY: "OOM",
  CANCELLED: "CA",
  DEADLINE: "DL",
  PREEMPTED: "PR",
  TIMEOUT: "TO",
  NODE_FAIL: "NF",
  REVOKED: "RV",
};

const HOPELESS: ReadonlySet<string> = new Set([
  "AccountNotAllowed",
  "BadConstraints",
  "DependencyNeverSatisfied",
  "InvalidAccount",
  "InvalidQOS",
  "JobHeldAdmin",
  "PartitionConfig",
  "PartitionNodeLimit",
  "PartitionTimeLimit",
  "QOSNotAllowed",
  "Reservation_Invalid",
  "ReservationInvalid",
  "job requeued in held state",
  "launch failed requeued held",
]);
/** Limits of a single job: the end of other jobs does not change them. Those per user, account or group clear. */
const HOPELESS_LIMIT = /^(?:(?:Assoc|QOS)Max(?:[A-Za-z]*Per(?:Job|Node)|WallDuration)[A-Za-z]*|QOSMin[A-Za-z]*)$/;

/** Whether a pending job with this reason will never start as it is. */
export function isHopeless(reason: string): boolean {
  return HOPELESS.has(reason) || HOPELESS_LIMIT.test(reason);
}
