/** Where the blocks of the bench run: processes of this machine, or jobs of a real Slurm of this machine. */

import { slurmTimes } from "./block-lives.ts";
import { BLOCKS, type Ground, WORKERS_PER_BLOCK } from "./pool.ts";

/** Blocks as processes of this machine. */
export const LOCAL: Ground & AsyncDisposable = { config: {}, [Symbol.asyncDispose]: async () => {} };

/** Starts a Slurm with a node for each block. */
export async function startSlurmGround(): Promise<Ground & AsyncDisposable> {
  // Of the tests, and needed by this choice alone.
  const { startSlurm, whyNoSlurm } = await import("../../test/support/slurm.ts");
  const missing = whyNoSlurm();
  if (missing !== undefined) throw new Error(missing);
  const slurm = await startSlurm({ nodes: BLOCKS, cpusPerNode: WORKERS_PER_BLOCK });
  return {
    env: slurm.env,
    config: { provider: { type: "slurm", statusIntervalMs: 10_000 }, link: { address: "127.0.0.1" } },
    times: () => slurmTimes(slurm.run("scontrol", "--oneliner", "show", "jobs")),
    [Symbol.asyncDispose]: slurm.stop,
  };
}
