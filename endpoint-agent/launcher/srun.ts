/** Slurm's srun, inside an allocation. */
import type { Launcher } from "./port.ts";

/** One task a node with all its cores, not bound to any of them, and each on its own: one that dies ends no other. */
export const srun: Launcher = ({ nodes, coresPerNode, gpusPerNode, overrides, nodeScript }) => [
  "srun",
  `--nodes=${nodes}`,
  `--ntasks=${nodes}`,
  "--ntasks-per-node=1",
  `--cpus-per-task=${coresPerNode}`,
  ...(gpusPerNode > 0 ? [`--gpus-per-node=${gpusPerNode}`] : []),
  "--cpu-bind=none",
  "--no-kill",
  "--kill-on-bad-exit=0",
  "--wait=0",
  "--export=ALL",
  "--input=none",
  ...overrides,
  nodeScript,
];
