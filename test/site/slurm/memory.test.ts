/** Memory limits that a real Slurm enforces: by its own watch, and by cgroups. */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { whyNoSlurm } from "../../support/slurm.ts";
import { startSite } from "./support.ts";

const missing = whyNoSlurm();
const greedy =
  "import time\ndef f(mb):\n    data = bytearray(mb << 20)\n    time.sleep(30)\n    return len(data) >> 20\n";
const site = (conf: string[], files: Record<string, string> = {}) =>
  startSite({
    slurm: { cpusPerNode: 2, conf: ["SelectTypeParameters=CR_Core_Memory", ...conf], files },
    provider: { exclusive: false, requestMemory: true },
    policy: { maxIdleTimeMs: 60_000, maxBlocks: 1 },
    config: { node: { cores: 2, memoryMb: 400 }, launcher: { type: "srun" } },
  });

describe.skipIf(missing)(`memory of a block of a real Slurm${missing ? ` (${missing})` : ""}`, () => {
  it("a task that takes what the whole block has: Slurm ends the block, and the task says why", async () => {
    const watch = ["JobAcctGatherType=jobacct_gather/linux", "JobAcctGatherFrequency=1"];
    await using here = await site([...watch, "JobAcctGatherParams=OverMemoryKill,NoShared"]);
    const { farcall } = here;
    const small = farcall.python("def f():\n    return 1\n", { entry: "f" } as never);
    expect(await small()).toBe(1);
    const task = farcall.python(greedy, { entry: "f" } as never).with({ maxAttempts: 1 });
    // slurmstepd of the step and that of the batch say it in different words; the first of them is told.
    await expect(task(700)).rejects.toThrow(/exceeded .*memory limit/i);
    // The next block works.
    expect(await small()).toBe(1);
  });

  it.skipIf(!existsSync("/sys/fs/cgroup/memory"))(
    "a task that meets the block's cgroup ends as OOM, and the block goes on",
    async () => {
      const limits =
        "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\nConstrainSwapSpace=yes\n";
      const plugins = ["TaskPlugin=task/cgroup", "ProctrackType=proctrack/linuxproc"];
      await using here = await site(plugins, { "cgroup.conf": limits });
      const { farcall } = here;
      const small = farcall.python("import os\ndef f():\n    return os.environ['SLURM_JOB_ID']\n", {
        entry: "f",
      } as never);
      const block = await small();
      const task = farcall.python(greedy, { entry: "f" } as never).with({ maxAttempts: 1 });
      await expect(task(700)).rejects.toMatchObject({ code: "OOM" });
      expect(await small()).toBe(block);
    },
  );
});
