/** Submits blocks, one after the other, for as long as some are wanted and nothing holds them back. */
import type { BadNodes } from "./bad-nodes.ts";
import { type Block, newBlock, recordOf } from "./block.ts";
import type { BlockFiles } from "./block-files.ts";
import { enter } from "./block-steps.ts";
import type { Breaker } from "./breaker.ts";
import { uptimeMs } from "./clock.ts";
import type { Settings } from "./config.ts";
import { crashPoint } from "./crash-point.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Provider } from "./provider/port.ts";

export type GrowthParts = {
  blocks: Map<string, Block>;
  policy: Settings["policy"];
  provider: Provider;
  files: BlockFiles;
  journal: Journal;
  breaker: Breaker;
  badNodes: BadNodes;
  log: Log;
  /** how many there are to ask for blocks at */
  places: number;
  /** how many are to be started now */
  wanted(): number;
  /** none is to be started any more */
  closed(): boolean;
  /** it was submitted, or was not: look at it */
  onSubmitted(block: Block): void;
};

export type Growth = {
  /** Resolves when no more can be started now. */
  grow(): Promise<void>;
  /** A block has failed, by the fault of this node if it is given: submissions wait. */
  failed(reason: string, node?: string): void;
  /** A block has waited in vain: the next one is asked for elsewhere. Where there is nowhere else, or all was tried, it has failed. */
  gaveUp(block: Pick<Block, "place">, reason: string): void;
};

/** Makes what starts blocks. */
export function createGrowth(parts: GrowthParts): Growth {
  const { blocks, policy, provider, files, journal, breaker, badNodes, log } = parts;
  let growing = false;
  let place = 0;

  const failed = (reason: string, node?: string) => {
    const now = uptimeMs();
    const excluded = node !== undefined && badNodes.failed(node, reason, now);
    if (excluded) log.error({ node, reason }, "a node is excluded: managers have failed there three times");
    // Where the next block cannot be kept away from it, nothing is won by that.
    const from = node === undefined ? undefined : { node, excluded: excluded && provider.excludesNodes === true };
    breaker.failed(now, reason, from);
    if (breaker.trouble !== null) log.error({ trouble: breaker.trouble }, "blocks are held back");
  };

  const submit = async () => {
    const block = newBlock(policy, place);
    blocks.set(block.id, block);
    if (provider.excludesNodes) block.exclude = badNodes.excluded(uptimeMs()).map(({ node }) => node);
    try {
      // First: a submission whose answer is lost is looked for, not repeated (FAULTS.md B12); a disk that hangs is met here (A10).
      await journal.append([recordOf(block)]);
      block.job = await provider.submit({ ...files.prepare(block), exclude: block.exclude, place: block.place });
      crashPoint("block-submitted");
      await journal.append([recordOf(block)]);
      log.info({ block: block.id, job: block.job }, "block submitted");
    } catch (error) {
      log.error({ err: error, block: block.id }, "a block cannot be submitted");
      failed((error as Error).message);
      enter(block, "stopping");
      block.reason = (error as Error).message;
    }
    parts.onSubmitted(block);
  };

  return {
    failed,
    gaveUp(block, reason) {
      // Others that wait there move nothing on again.
      if (place === block.place) place = (place + 1) % parts.places;
      if (place === 0) failed(reason);
      else log.warn({ place, reason }, "the next block is asked for at an alternative");
    },
    // One after the other: a scheduler that refuses the first is not asked for two hundred more.
    async grow() {
      if (growing) return;
      growing = true;
      const may = () => !parts.closed() && !journal.trouble && breaker.mayTry(uptimeMs());
      while (may() && parts.wanted() > 0) await submit();
      growing = false;
    },
  };
}
