/** Tells what becomes of endpoints' blocks, as their agents say it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Farcall } from "../../sdk/index.ts";

const LOOK_MS = 1_000;

export type BlockWatch = {
  /** Says each change of the endpoint's blocks, until `enough` says that it is. */
  until(endpoint: string, enough: (blocks: number) => boolean): Promise<void>;
};

/** Makes one; what it has told it does not tell again. */
export function createBlockWatch(farcall: Farcall, signal: AbortSignal): BlockWatch {
  const told = new Map<string, string>();
  return {
    async until(endpoint, enough) {
      for (;;) {
        const blocks = (await farcall.endpoints.get(endpoint)).summary?.blocks ?? [];
        for (const { id, job, state, nodes, reason } of blocks) {
          const why = reason && reason !== state && state === "pending" ? `, ${reason}` : "";
          if (told.get(id) === state) continue;
          told.set(id, state);
          console.log(
            `  ${endpoint}: job ${job ?? "without a number yet"}, a block of ${nodes} nodes, is ${state}${why}`,
          );
        }
        if (enough(blocks.length)) return;
        await sleep(LOOK_MS, undefined, { signal });
      }
    },
  };
}
