/** What a batch system says of its queues: how it is asked, and how its answers are read. Pure. */
import { harmless } from "../prompter.ts";
import type { QueueFacts } from "./queue.ts";
import { FLUX_SCRIPT, HTCONDOR_SCRIPT, LSF_SCRIPT, parseFlux, parseHtcondor, parseLsf } from "./queues-others.ts";
import { PBS_SCRIPT, parsePbs } from "./queues-pbs.ts";
import { parseSge, SGE_SCRIPT } from "./queues-sge.ts";
import { parseSlurm, SLURM_SCRIPT } from "./queues-slurm.ts";

type Asking = {
  /** POSIX sh; what it prints is cut at lines of `--` */
  script: string;
  parse(sections: string[]): QueueFacts;
};

/** By `provider.type`. */
export const ASKING: Readonly<Record<string, Asking>> = {
  slurm: { script: SLURM_SCRIPT, parse: parseSlurm },
  pbs: { script: PBS_SCRIPT, parse: parsePbs },
  torque: { script: PBS_SCRIPT, parse: parsePbs },
  moab: { script: PBS_SCRIPT, parse: parsePbs },
  sge: { script: SGE_SCRIPT, parse: parseSge },
  lsf: { script: LSF_SCRIPT, parse: parseLsf },
  htcondor: { script: HTCONDOR_SCRIPT, parse: parseHtcondor },
  flux: { script: FLUX_SCRIPT, parse: parseFlux },
};

/** Cuts what the script printed. */
export function sectionsOf(text: string): string[] {
  return harmless(text)
    .split(/^--$/m)
    .map((section) => section.trim());
}
