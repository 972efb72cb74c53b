/** What a command on several nodes puts before its program, so that its ranks start on them. Pure. */
import type { MpiConfig } from "../provider-config.ts";

export type RanksRequest = {
  nodes: number;
  ranksPerNode: number;
  coresPerNode: number;
  /** the nodes; undefined where the launcher chooses among those of the block that are free */
  hosts: readonly string[] | undefined;
  /** has a line for each rank: the one form of a host file that every mpiexec reads alike */
  hostFile: string;
  overrides: readonly string[];
};

/** By the launchers' names in the configuration. */
export const mpiPrefixes: Readonly<Record<NonNullable<MpiConfig["launcher"]>, (request: RanksRequest) => string[]>> = {
  mpiexec: ({ nodes, ranksPerNode, hosts, hostFile, overrides }) => [
    "mpiexec",
    "-n",
    String(nodes * ranksPerNode),
    ...(hosts ? ["--hostfile", hostFile] : []),
    ...overrides,
  ],
  // --overlap: the step of the managers has all of the block.
  srun: ({ nodes, ranksPerNode, coresPerNode, hosts, overrides }) => [
    "srun",
    "--overlap",
    `--nodes=${nodes}`,
    `--ntasks=${nodes * ranksPerNode}`,
    `--ntasks-per-node=${ranksPerNode}`,
    `--cpus-per-task=${coresEach(coresPerNode, ranksPerNode)}`,
    ...(hosts ? [`--nodelist=${hosts.join(",")}`] : []),
    ...overrides,
  ],
  aprun: ({ nodes, ranksPerNode, coresPerNode, overrides }) => [
    "aprun",
    "-n",
    String(nodes * ranksPerNode),
    "-N",
    String(ranksPerNode),
    "-d",
    String(coresEach(coresPerNode, ranksPerNode)),
    ...overrides,
  ],
  jsrun: ({ nodes, ranksPerNode, overrides }) => [
    "jsrun",
    "--nrs",
    String(nodes),
    "--rs_per_host",
    "1",
    "--tasks_per_rs",
    String(ranksPerNode),
    "--cpu_per_rs",
    "ALL_CPUS",
    "--gpu_per_rs",
    "ALL_GPUS",
    ...overrides,
  ],
  ibrun: ({ nodes, ranksPerNode, overrides }) => [
    "env",
    `IBRUN_TASKS_PER_NODE=${ranksPerNode}`,
    "ibrun",
    "-n",
    String(nodes * ranksPerNode),
    ...overrides,
  ],
  flux: ({ nodes, ranksPerNode, coresPerNode, overrides }) => [
    "flux",
    "run",
    `--nodes=${nodes}`,
    `--ntasks=${nodes * ranksPerNode}`,
    `--cores-per-task=${coresEach(coresPerNode, ranksPerNode)}`,
    ...overrides,
  ],
};

/** Cores of one rank. */
export function coresEach(coresPerNode: number, ranksPerNode: number): number {
  return Math.max(1, Math.floor(coresPerNode / ranksPerNode));
}
