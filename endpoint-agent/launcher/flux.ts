/** `flux run`, inside an instance of Flux; its options are those of flux-run(1), its shell's (`--setopt`) those of flux-shell(1). */
import type { Launcher } from "./port.ts";

/** One task a node with all its cores, not bound to any. */
export const flux: Launcher = ({ nodes, coresPerNode, gpusPerNode, overrides, nodeScript }) => [
  "flux",
  "run",
  `--nodes=${nodes}`,
  `--ntasks=${nodes}`,
  `--cores-per-task=${coresPerNode}`,
  ...(gpusPerNode > 0 ? [`--gpus-per-task=${gpusPerNode}`] : []),
  "--setopt=cpu-affinity=off",
  "--setopt=exit-timeout=none",
  ...overrides,
  nodeScript,
];
