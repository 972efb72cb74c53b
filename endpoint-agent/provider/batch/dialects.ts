/** The batch schedulers that there are dialects for. */
import type { BatchConfig } from "../../provider-config.ts";
import type { Dialect } from "./dialect.ts";
import { flux } from "./flux.ts";
import { htcondor } from "./htcondor.ts";
import { lsf } from "./lsf.ts";
import { moab } from "./moab.ts";
import { pbs } from "./pbs.ts";
import { sge } from "./sge.ts";
import { slurm } from "./slurm.ts";
import { torque } from "./torque.ts";

/** By their name in the configuration. */
export const DIALECTS: Partial<Readonly<Record<BatchConfig["type"], Dialect>>> = {
  flux,
  htcondor,
  lsf,
  moab,
  pbs,
  sge,
  slurm,
  torque,
};
