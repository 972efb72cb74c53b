/** What a block needs next, by its age and state alone; pure but for `enter`. */
import type { Block } from "./block.ts";
import { uptimeMs } from "./clock.ts";

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
/** A block that ends by itself within this time after its start has failed. */
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
  return state === "draining" || state === "stopping" || state === "killed";
}

/** What the end of a block means. `taken`: nobody's fault; `failed`: others like it will probably end so too. */
export function endOfBlock(
  block: Pick<Block, "state" | "since" | "reason" | "connected" | "adopted">,
  facts: { reason: string | null; taken: boolean | undefined; now: number; endsAt: number | null },
): { reason: string; taken: boolean; failed: boolean } {
  const unwanted = isUnwanted(block);
  const taken = facts.taken === true || (facts.endsAt !== null && facts.endsAt <= facts.now);
  const shortLived = !block.adopted && facts.now - block.since < SHORT_LIFE_MS;
  return {
    reason: (unwanted ? block.reason : null) ?? facts.reason ?? "it has ended",
    taken,
    failed: !unwanted && !taken && (!block.connected || shortLived),
  };
}
