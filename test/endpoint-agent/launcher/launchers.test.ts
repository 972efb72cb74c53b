import { describe, expect, it } from "vitest";
import { launchers, RANK_VARIABLES } from "../../../endpoint-agent/launcher/launchers.ts";
import { MPIEXEC_VARIABLES } from "../../../endpoint-agent/launcher/mpiexec.ts";
import { LAUNCHER_TYPES } from "../../../endpoint-agent/provider-config.ts";

const request = {
  nodes: 4,
  coresPerNode: 32,
  gpusPerNode: 0,
  nodeScript: "/block/node.sh",
  dir: "/block",
  overrides: [] as string[],
};
const words = (type: (typeof LAUNCHER_TYPES)[number], change: Partial<typeof request> = {}) =>
  launchers[type]({ ...request, ...change }).join(" ");

describe("a launcher's argv", () => {
  it("starts one manager a node, with all its cores and bound to none", () => {
    const variables = Object.entries(MPIEXEC_VARIABLES).map(([name, value]) => `${name}=${value}`);
    expect({
      single: words("single"),
      srun: words("srun"),
      mpiexec: words("mpiexec"),
      aprun: words("aprun"),
      jsrun: words("jsrun"),
      ibrun: words("ibrun"),
      pbsdsh: words("pbsdsh"),
      flux: words("flux"),
    }).toEqual({
      single: "/block/node.sh",
      srun:
        "srun --nodes=4 --ntasks=4 --ntasks-per-node=1 --cpus-per-task=32 --cpu-bind=none --no-kill --kill-on-bad-exit=0 " +
        "--wait=0 --export=ALL --input=none /block/node.sh",
      mpiexec: `env ${variables.join(" ")} mpiexec -n 4 --hostfile /block/hosts /block/node.sh`,
      aprun: "aprun -n 4 -N 1 -d 32 -cc none -b /block/node.sh",
      jsrun:
        "jsrun --nrs 4 --rs_per_host 1 --tasks_per_rs 1 --cpu_per_rs ALL_CPUS --gpu_per_rs ALL_GPUS --bind none /block/node.sh",
      ibrun: "env IBRUN_TASKS_PER_NODE=1 ibrun -n 4 /block/node.sh",
      pbsdsh: "pbsdsh /block/node.sh",
      flux:
        "flux run --nodes=4 --ntasks=4 --cores-per-task=32 --setopt=cpu-affinity=off --setopt=exit-timeout=none " +
        "/block/node.sh",
    });
  });

  it("asks for the node's GPUs where the launcher hands them out", () => {
    expect(words("srun", { gpusPerNode: 2 })).toContain(" --gpus-per-node=2 ");
    expect(words("flux", { gpusPerNode: 2 })).toContain(" --gpus-per-task=2 ");
  });

  it.each(LAUNCHER_TYPES)("ends with the overrides and the node script, each one word: %s", (type) => {
    const overrides = ["--", "bwpy-environ", "--", "$HOME/x y"];
    expect(launchers[type]({ ...request, overrides }).slice(-5)).toEqual([...overrides, "/block/node.sh"]);
  });

  it("has rank variables for every launcher, none of them one that surrounds a block of another", () => {
    expect(Object.keys(RANK_VARIABLES).sort()).toEqual([...LAUNCHER_TYPES].sort());
    expect(RANK_VARIABLES.mpiexec.filter((name) => name.startsWith("SLURM_"))).toEqual([]);
  });
});
