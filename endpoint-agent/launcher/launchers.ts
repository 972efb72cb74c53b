/** All launchers, and by which variable the node script learns from each of them which node it is on. */
import type { LauncherConfig } from "../provider-config.ts";
import { aprun } from "./aprun.ts";
import { flux } from "./flux.ts";
import { ibrun } from "./ibrun.ts";
import { jsrun } from "./jsrun.ts";
import { mpiexec } from "./mpiexec.ts";
import { pbsdsh } from "./pbsdsh.ts";
import type { Launchers } from "./port.ts";
import { single } from "./single.ts";
import { srun } from "./srun.ts";

/** By their names in the configuration. */
export const launchers: Launchers = { single, srun, mpiexec, aprun, jsrun, ibrun, pbsdsh, flux };

/**
 * The rank that each launcher gives, the first that is set. Only its own: others may be there from around the block, as
 * SLURM_PROCID is, always 0, where mpiexec runs in a batch script of Slurm.
 */
export const RANK_VARIABLES: Readonly<Record<LauncherConfig["type"], readonly string[]>> = {
  single: [],
  srun: ["SLURM_PROCID"],
  mpiexec: ["PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PALS_RANKID", "MV2_COMM_WORLD_RANK"],
  aprun: ["ALPS_APP_PE"],
  jsrun: ["JSM_NAMESPACE_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"],
  ibrun: ["PMI_RANK", "MV2_COMM_WORLD_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK"],
  // Its numbers are of virtual nodes, of which a node may have many.
  pbsdsh: [],
  flux: ["FLUX_TASK_RANK"],
};
