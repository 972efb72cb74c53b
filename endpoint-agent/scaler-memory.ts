/** What the scaler needs to remember between two looks: how long starts took, and since when what was the case. */
import { blocksFor, type Policy, type Snapshot } from "./scaler.ts";

export type ScalerMemory = {
  /** A block works, so long after it was asked for. */
  started(tookMs: number): void;
  /** Looks at demand and blocks: what does a decision at this moment have to know of the past? */
  look(now: Look, policy: Policy): Pick<Snapshot, "startMs" | "waitingSince" | "neededAt">;
};

type Look = Pick<Snapshot, "now" | "demand" | "node" | "blocks">;

/** So many starts, of which the middle one counts: one that had bad luck says little of the next. */
const STARTS = 7;

/** An empty memory, at that time. */
export function createScalerMemory(now: number): ScalerMemory {
  const starts: number[] = [];
  let neededAt = now;
  let waitingSince: number | undefined;
  return {
    started(tookMs) {
      starts.push(tookMs);
      if (starts.length > STARTS) starts.shift();
    },
    look(snapshot, policy) {
      const running = snapshot.blocks.filter(({ state }) => state === "running");
      if (blocksFor(snapshot, policy) > running.length) neededAt = snapshot.now;
      // What runs in a block that ends by itself is no demand, so it is not taken from it either.
      const busy = snapshot.blocks.reduce((sum, block) => sum + (block.state === "draining" ? 0 : block.busy), 0);
      const tasks = Object.values(snapshot.demand).reduce((sum, count) => sum + count, 0);
      waitingSince = tasks > busy ? (waitingSince ?? snapshot.now) : undefined;
      return { startMs: startOf(starts, snapshot), waitingSince, neededAt };
    },
  };
}

/** The middle one of the starts; longer if a block has been pending for longer already. */
function startOf(starts: readonly number[], { now, blocks }: Look): number | undefined {
  const middle = starts.toSorted((a, b) => a - b)[Math.floor((starts.length - 1) / 2)];
  const pending = blocks.filter(({ state }) => state === "pending").map(({ idleSince }) => now - (idleSince ?? now));
  // Blocks that nobody has seen start say only that it takes longer than this.
  return middle === undefined ? undefined : Math.max(middle, ...pending);
}
