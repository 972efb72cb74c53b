/** What a block needs next, by its age and state alone; pure but for `enter`. */
import type { Block } from "./block.ts";
import { uptimeMs } from "./clock.ts";
import type { Manager } from "./manager.ts";
import type { JobStatus, TakenCause } from "./provider/port.ts";

export type BlockFacts = {
  now: number;
  /** tasks that its managers have */
  busy: number;
  /** when its walltime ends, as its managers count it; null without one */
  endsAt: number | null;
  /** how long a cancelled job may take to end */
  cancelGraceMs: number;
};

/** `kill` also repeats a cancel that came to nothing. */
export type BlockStep = "drain" | "cancel" | "kill";

/** A drained block that is still there after this, and has no work, is cancelled. */
const DRAIN_MS = 15_000;

const ALERT_MS = 15 * 60_000;
/** So long before its walltime's end, or this part of it, a block is let go, to be replaced. */
const DRAIN_BEFORE_END_MS = 120_000;
const DRAIN_PART = 0.1;
/** A block that ends by itself within this time after its start has failed, and so has a manager. */
const SHORT_LIFE_MS = 10_000;

/** The step, or undefined while there is nothing to do but wait. */
export function nextStep(
  block: Pick<Block, "state" | "since" | "walltimeMs">,
  facts: BlockFacts,
): BlockStep | undefined {
  const age = facts.now - block.since;
  switch (block.state) {
    case "pending":
    case "running":
      return facts.endsAt !== null && facts.endsAt - facts.now <= drainBeforeEndMs(block) ? "drain" : undefined;
    case "draining":
      return age > DRAIN_MS && facts.busy === 0 ? "cancel" : undefined;
    case "stopping":
    case "killed":
      return age > facts.cancelGraceMs ? "kill" : undefined;
    case "lost":
      // There is nothing at the scheduler to cancel.
      return undefined;
  }
}

function drainBeforeEndMs({ walltimeMs }: Pick<Block, "walltimeMs">): number {
  return Math.min(DRAIN_BEFORE_END_MS, (walltimeMs ?? 0) * DRAIN_PART);
}

/** Puts it into a state from now on. */
export function enter(block: Pick<Block, "state" | "since">, state: Block["state"]): void {
  block.state = state;
  block.since = uptimeMs();
}

/** For how long a cancelled block has not ended, once that is worth an alert (FAULTS.md B14). */
export function minutesOverdue({ cancelledAt }: Pick<Block, "cancelledAt">, now: number): number | undefined {
  if (cancelledAt === undefined || now - cancelledAt < ALERT_MS) return undefined;
  return Math.round((now - cancelledAt) / 60_000);
}

/** Whether the agent wants the block's end. */
export function isUnwanted({ state }: Pick<Block, "state">): boolean {
  return state === "draining" || state === "stopping" || state === "killed" || state === "lost";
}

/** For how long a block has waited in the scheduler's queue; `wallNow` for one of an earlier run of the agent. */
export function queuedMs(
  block: Pick<Block, "state" | "since" | "adopted" | "submittedAt" | "job">,
  { now, wallNow }: { now: number; wallNow: number },
): number {
  if (block.state !== "pending" || block.job === null) return 0;
  return block.adopted ? wallNow - block.submittedAt : now - block.since;
}

/** Why a block has waited for too long, in the scheduler's words; undefined while it may wait on (FAULTS.md B7). */
export function overdueInQueue(
  block: Pick<Block, "state" | "reason">,
  { waitedMs, maxQueueTimeMs }: { waitedMs: number; maxQueueTimeMs: number | undefined },
): string | undefined {
  if (maxQueueTimeMs === undefined || block.state !== "pending" || waitedMs <= maxQueueTimeMs) return undefined;
  const words = block.reason ?? "the scheduler gave no reason";
  return `it waited for more than ${maxQueueTimeMs / 1_000} s (policy.maxQueueTimeMs): ${words}`;
}

/** Whether a manager that is gone had not even begun to work: that is its node's fault, and no task's. */
export function diedAtOnce({ proven, lastSeenAt, since }: Pick<Manager, "proven" | "lastSeenAt" | "since">): boolean {
  return !proven && lastSeenAt - since < SHORT_LIFE_MS;
}

/** Whether the block does what it was asked for: what failed before it is past. */
export function isProven(managers: readonly Manager[], now: number): boolean {
  return managers.some(({ link, proven, since }) => link !== undefined && (proven || now - since >= SHORT_LIFE_MS));
}

/** How a block has ended. `taken`: nobody's fault, with its cause if that is known; `failed`: others like it will probably end so too. */
export type BlockEnd = { reason: string; taken: boolean; cause: TakenCause | undefined; failed: boolean };

/** What the end of a block means. */
export function endOfBlock(
  block: Pick<Block, "state" | "since" | "reason" | "connected" | "adopted">,
  facts: Pick<JobStatus, "reason"> & {
    taken?: boolean | undefined;
    cause?: TakenCause;
    now: number;
    endsAt: number | null;
  },
): BlockEnd {
  const unwanted = isUnwanted(block);
  // Why one was given up; of one that came up it says no more than that it ran.
  const given = unwanted && (block.state === "lost" || !block.connected) ? block.reason : null;
  const over = facts.endsAt !== null && facts.endsAt <= facts.now;
  const taken = facts.taken === true || over;
  const cause = facts.cause === "preempted" || facts.cause === "node-failed" ? facts.cause : undefined;
  const shortLived = !block.adopted && facts.now - block.since < SHORT_LIFE_MS;
  return {
    reason: given ?? facts.reason ?? "it has ended",
    taken,
    // Several schedulers end a walltime as they do a cancel.
    cause: taken ? (cause ?? (over ? "walltime" : facts.cause)) : undefined,
    failed: !unwanted && !taken && (!block.connected || shortLived),
  };
}
