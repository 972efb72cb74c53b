/** mpiexec of MPICH, Intel MPI, Open MPI and Cray's PALS, from one host file. */
import { join } from "node:path";
import { HOST_FILE } from "./launch-script.ts";
import type { Launcher } from "./port.ts";

/**
 * One rank a node, bound to no core. They agree on `-n` and `--hostfile` and on little else, so the rest goes by variables,
 * of which each knows its own; the node script forgets them again (node-script.ts).
 */
export const MPIEXEC_VARIABLES: Readonly<Record<string, string>> = {
  // Open MPI 4 and 5: else many ranks to the first node, all of a rank's children on one core, and all ended with the first.
  OMPI_MCA_rmaps_base_mapping_policy: "ppr:1:node",
  OMPI_MCA_hwloc_base_binding_policy: "none",
  OMPI_MCA_orte_abort_on_non_zero_status: "0",
  PRTE_MCA_rmaps_default_mapping_policy: "ppr:1:node",
  PRTE_MCA_hwloc_default_binding_policy: "none",
  // Intel MPI
  I_MPI_PERHOST: "1",
  I_MPI_PIN: "off",
  I_MPI_JOB_RESPECT_PROCESS_PLACEMENT: "off",
  // Cray PALS
  PALS_CPU_BIND: "none",
};

/** The launch script writes the host file from the scheduler's list of nodes. */
export const mpiexec: Launcher = ({ nodes, dir, overrides, nodeScript }) => [
  "env",
  ...Object.entries(MPIEXEC_VARIABLES).map(([name, value]) => `${name}=${value}`),
  "mpiexec",
  "-n",
  String(nodes),
  "--hostfile",
  join(dir, HOST_FILE),
  ...overrides,
  nodeScript,
];
