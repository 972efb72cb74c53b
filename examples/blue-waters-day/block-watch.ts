/** Tells what becomes of an endpoint's blocks. Agents say so every ten seconds. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Farcall } from "../../sdk/index.ts";

const LOOK_MS = 1_000;

type Look = { farcall: Farcall; signal: AbortSignal };

/** Says each change of a block until `enough` says that it is. */
export async function watchBlocks(
  endpoint: string,
  { farcall, signal }: Look,
  enough: (blocks: number) => boolean,
): Promise<void> {
  const told = new Map<string, string>();
  for (;;) {
    const blocks = (await farcall.endpoints.get(endpoint)).summary?.blocks ?? [];
    for (const { id, job, state, nodes, reason } of blocks) {
      const words = `${endpoint}: block ${id}, ${nodes} nodes, job ${job ?? "not numbered yet"}: ${state}${reason ? ` (${reason})` : ""}`;
      if (told.get(id) !== words) console.log(`  ${words}`);
      told.set(id, words);
    }
    if (enough(blocks.length)) return;
    await sleep(LOOK_MS, undefined, { signal });
  }
}
