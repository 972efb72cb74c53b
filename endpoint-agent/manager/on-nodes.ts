/** Commands on several nodes: what they are given to start their ranks with (architecture.md, multi-node tasks). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Resources } from "../../protocol/task.ts";
import { coresEach, mpiPrefixes } from "../launcher/mpi-prefix.ts";
import type { ManagerConfig } from "../manager-config.ts";
import type { Task } from "./task.ts";

type Node = Pick<ManagerConfig, "capacity" | "mpi">;

/** What a task takes of its manager: with nodes of its own all of the manager's, or that many of those beside it. */
export function resourcesHere(asked: Resources, { capacity }: Pick<Node, "capacity">): Resources {
  if (asked.nodes === undefined) return asked;
  if (capacity.nodes !== undefined) return { cores: 0, memoryMb: 0, gpus: 0, nodes: asked.nodes };
  return { cores: capacity.cores, memoryMb: 0, gpus: capacity.gpus, nodes: asked.nodes };
}

/**
 * The launcher's words, which take the place of `{launcher}` in the template, and variables for programs that look for
 * themselves; undefined for a task on a part of one node. Writes the host file to `dir`.
 */
export function launcherOf(
  task: Task,
  { capacity, mpi }: Node,
  dir: string,
): { prefix: string[]; env: Record<string, string> } | undefined {
  const { nodes, ranksPerNode = 1 } = task.info.spec.resources ?? {};
  if (nodes === undefined) return undefined;
  const hosts = capacity.nodes === undefined ? task.hosts : undefined;
  const hostFile = join(dir, "hosts");
  const lines = (hosts ?? []).flatMap((host) => Array(ranksPerNode).fill(host));
  writeFileSync(hostFile, `${lines.join("\n")}\n`, { mode: 0o600 });
  const { overrides } = mpi;
  const prefix = mpiPrefixes[mpi.launcher]({
    nodes,
    ranksPerNode,
    coresPerNode: capacity.cores,
    hosts,
    hostFile,
    overrides,
  });
  return {
    prefix,
    env: {
      FARCALL_MPI_PREFIX: prefix.join(" "),
      FARCALL_NODES: String(nodes),
      FARCALL_RANKS_PER_NODE: String(ranksPerNode),
      FARCALL_RANKS: String(nodes * ranksPerNode),
      ...(hosts && { FARCALL_HOST_FILE: hostFile, FARCALL_HOSTS: hosts.join(",") }),
      OMP_NUM_THREADS: String(coresEach(capacity.cores, ranksPerNode)),
      // An mpiexec that starts its helpers with srun: the step of the managers has all of the block.
      SLURM_OVERLAP: "1",
    },
  };
}
