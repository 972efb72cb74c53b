/** The batch schedulers that there are dialects for. */
import type { BatchConfig } from "../../provider-config.ts";
import type { Dialect } from "./dialect.ts";
import { slurm } from "./slurm.ts";

/** By their name in the configuration. */
export const DIALECTS: Partial<Readonly<Record<BatchConfig["type"], Dialect>>> = {
  slurm,
};
