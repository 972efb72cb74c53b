/** A stack with an endpoint at a real Slurm. */
import { setTimeout as sleep } from "node:timers/promises";
import { Farcall } from "../../../sdk/index.ts";
import { type Slurm, type SlurmOptions, startSlurm } from "../../support/slurm.ts";
import { startStack, type TestStack } from "../../support/stack.ts";
import { waitFor } from "../../support/wait-for.ts";

export type Site = { slurm: Slurm; stack: TestStack; farcall: Farcall };

export type SiteOptions = {
  slurm?: SlurmOptions;
  provider?: Record<string, unknown>;
  policy?: Record<string, unknown>;
  config?: Record<string, unknown>;
};

/** Starts Slurm and the stack; both end with the scope. */
export async function startSite(options: SiteOptions = {}): Promise<Site & AsyncDisposable> {
  const slurm = await startSlurm(options.slurm);
  try {
    const config = {
      provider: { type: "slurm", statusIntervalMs: 10_000, ...options.provider },
      policy: { maxBlocks: 1, maxIdleTimeMs: 1_000, walltimeMs: 600_000, ...options.policy },
      node: { cores: 2, memoryMb: 500 },
      link: { address: "127.0.0.1" },
      ...options.config,
    };
    const stack = await startStack({ endpoints: [{ name: "cluster", config }], env: slurm.env });
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    return {
      slurm,
      stack,
      farcall,
      async [Symbol.asyncDispose]() {
        await farcall.close();
        await stack.stop();
        await slurm.stop();
      },
    };
  } catch (error) {
    await slurm.stop();
    throw error;
  }
}

/** Ids of the live jobs of this user, as Slurm lists them. */
export function liveJobs(slurm: Slurm, states = "PD,CF,R,CG"): string[] {
  return slurm
    .run("squeue", "--me", "-h", "-t", states, "-o", "%i")
    .split("\n")
    .filter((line) => line !== "");
}

/** What the gateway knows of the endpoint's blocks. */
export async function blocksOf({ farcall }: Site) {
  return (await farcall.endpoints.get("cluster")).summary?.blocks ?? [];
}

/** Waits until there are so many blocks in a state. */
export async function untilBlocks(site: Site, count: number, state?: string): Promise<void> {
  const what = `${count} ${state ?? ""} blocks`;
  const holds = async () => {
    const blocks = await blocksOf(site);
    return blocks.filter((block) => state === undefined || block.state === state).length === count;
  };
  await waitFor(async () => (await holds()) || (await sleep(500, false)), { what, timeoutMs: 120_000 });
}
