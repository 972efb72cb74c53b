import { afterEach, beforeEach, expect, it } from "vitest";
import { openBench, openBlocks } from "../../endpoint-agent/provider/batch-support.ts";
import { type Slurm, startSlurm, whyNoSlurm } from "../../support/slurm.ts";
import { waitFor } from "../../support/wait-for.ts";
import { liveJobs } from "./support.ts";

const missing = whyNoSlurm();
const BLOCKS = 200;

let slurm: Slurm;
beforeEach(async () => {
  if (!missing) slurm = await startSlurm({ nodes: 2, cpusPerNode: 120 });
});
afterEach(() => slurm?.stop());

it.skipIf(missing)(
  `${BLOCKS} blocks at a real Slurm: as many as asked for, one list for all, all run and all end${missing ? ` (${missing})` : ""}`,
  async () => {
    const bench = openBench({ bin: "/usr/bin" });
    let lists = 0;
    const config = bench.config({ exclusive: false });
    const engine = { config, env: slurm.env, node: { cores: 1, memoryMb: 1, gpus: 0 } };
    const timing = { intervalMs: 2_000, minIntervalMs: 2_000, maxIntervalMs: 2_000, cancelGraceMs: 60_000 };
    const run = bench.run(({ argv }) => {
      if (argv[0]?.endsWith("squeue")) lists++;
    });
    const of = await openBlocks(bench, {
      policy: { maxBlocks: BLOCKS },
      engine: { ...engine, run, timing },
      launch: ["sleep", "600"],
    });
    try {
      of.wait(10_000);
      const states = () => of.blocks.summary().map(({ state }) => state);
      await waitFor(() => states().filter((state) => state === "running").length === BLOCKS, {
        what: `${BLOCKS} running blocks`,
        timeoutMs: 120_000,
      });
      expect(new Set(liveJobs(slurm, "R")).size).toBe(BLOCKS);
      expect([of.gone, of.blocks.trouble, of.blocks.count]).toEqual([[], null, BLOCKS]);
      const seconds = 1 + performance.now() / 1_000;
      expect(lists).toBeLessThan(seconds / 2 + 2);
      of.blocks.close({ force: false });
      await waitFor(() => of.blocks.count === 0, { what: "the end of all blocks", timeoutMs: 180_000 });
      expect(liveJobs(slurm)).toEqual([]);
      expect(of.gone.every(({ taken }) => taken)).toBe(true);
    } finally {
      await of.close();
      bench.close();
    }
  },
);
