import { expect, it } from "vitest";
import { whyNoSlurm } from "../../support/slurm.ts";
import { liveJobs, startSite, untilBlocks } from "./support.ts";

const missing = whyNoSlurm();

it.skipIf(missing)(
  `a call scales a real Slurm from no block to one and back to none${missing ? ` (${missing})` : ""}`,
  async () => {
    await using site = await startSite();
    const { slurm, farcall } = site;
    expect(liveJobs(slurm)).toEqual([]);
    const where = farcall.function(() => process.env.SLURM_JOB_ID ?? "nowhere", { name: "where" });
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(liveJobs(slurm, "R")).toHaveLength(1);
    void where;
    await untilBlocks(site, 0);
    expect(liveJobs(slurm)).toEqual([]);
  },
);
