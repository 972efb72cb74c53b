/** Generic resources of a real Slurm: fake devices, and the variables by which programs find theirs. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { whyNoSlurm } from "../../support/slurm.ts";
import { startSite, untilBlocks } from "./support.ts";

const missing = whyNoSlurm();

/** Two nodes of four GPUs of one maker each; their devices lead nowhere. */
const slurmWith = (flag: string) => ({
  cpusPerNode: 4,
  conf: ["GresTypes=gpu"],
  nodeConf: () => "Gres=gpu:4",
  prepare(dir: string) {
    for (let gpu = 0; gpu < 4; gpu++) execFileSync("mknod", [join(dir, `gpu${gpu}`), "c", "1", "3"]);
  },
  files: {
    "gres.conf": ["n1", "n2"].map((node) => `NodeName=${node} Name=gpu File=@DIR@/gpu[0-3] Flags=${flag}\n`).join(""),
  },
});
const MAKERS = [
  { flag: "nvidia_gpu_env", variable: "CUDA_VISIBLE_DEVICES", none: "" },
  { flag: "amd_gpu_env", variable: "ROCR_VISIBLE_DEVICES", none: "" },
  // An empty mask would show all.
  { flag: "intel_gpu_env", variable: "ZE_AFFINITY_MASK", none: "1,2" },
];

describe.skipIf(missing)(`GPUs of a real Slurm${missing ? ` (${missing})` : ""}`, () => {
  it.each(MAKERS)("each task sees its own of those that Slurm chose for the block: $variable", async (maker) => {
    const { flag, variable, none } = maker;
    await using site = await startSite({
      slurm: slurmWith(flag),
      provider: { exclusive: false, directives: ["--nodelist=n1"] },
      policy: { maxIdleTimeMs: 60_000 },
      config: { node: { cores: 2, memoryMb: 400, gpus: 2 }, launcher: { type: "srun" } },
    });
    const { slurm, farcall } = site;
    // Somebody else's job has the first one, so that names are not numbers of places.
    const other = ["--nodelist=n1", "--gpus-per-node=1", "--mem=100", "--output=/dev/null", "--wrap=sleep 600"];
    slurm.run("sbatch", ...other);
    const pause = "sleep 2";
    const seen = farcall.command(`${pause}; echo "$${variable}/$HIP_VISIBLE_DEVICES/$SLURM_JOB_GPUS"`);
    const onOne = seen.with({ resources: { gpus: 1 } });
    const outputs = (await Promise.all([onOne(), onOne()])).map(({ stdout }) => stdout.trim());
    expect(outputs.sort()).toEqual(["1/0/1,2", "2/0/1,2"]);
    expect(slurm.run("scontrol", "show", "job", "-d", "--oneliner")).toContain("GRES=gpu:2(IDX:1-2)");
    // From a worker, which is kept for one GPU, and from one that has none.
    const inside = farcall.function((name: string) => process.env[name] ?? "not set", { name: "inside" });
    expect(["1", "2"]).toContain(await inside.with({ resources: { gpus: 1 } })(variable));
    expect(await inside(variable)).toBe(none);
    expect((await seen.with({ resources: { gpus: 2 } })()).stdout).toBe("1,2/0,1/1,2\n");
  });

  it("more GPUs than nodes have: the block is refused with Slurm's words, and the task says so", async () => {
    await using site = await startSite({
      slurm: slurmWith("nvidia_gpu_env"),
      config: { node: { cores: 2, memoryMb: 400, gpus: 5 } },
    });
    const { farcall } = site;
    const task = farcall
      .command("true")
      .with({ resources: { gpus: 1 } })
      .submit();
    // It ends with the site.
    task.catch(() => {});
    await expect
      .poll(async () => (await farcall.endpoints.get("cluster")).summary?.trouble)
      .toMatch(/Requested node configuration is not available/);
    await untilBlocks(site, 0);
  });
});
