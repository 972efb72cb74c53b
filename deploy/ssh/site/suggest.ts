/** A configuration for a site, from what it says of itself. Pure. */
import { stringify } from "yaml";
import { isLoopback, type SiteFacts } from "./probe.ts";
import type { Queue, QueueFacts } from "./queue.ts";

const HOUR_MS = 3_600_000;
/** Left to the system of a node. */
const MEMORY_SHARE = 0.95;
const LISTED = 20;
/** Machines whose scripts run beside the nodes have these and need them. */
const OF_THE_MACHINE = ["aprun", "ibrun", "jsrun"] as const;
/** What starts managers on several nodes where nothing of the machine's own does; a block of one node needs none. */
const BY_SCHEDULER: Readonly<Record<string, string>> = {
  slurm: "srun",
  pbs: "mpiexec",
  torque: "mpiexec",
  moab: "mpiexec",
  lsf: "mpiexec",
  flux: "flux",
};

/** What a configuration takes as a name; a batch system may print more. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:@%+=,/-]*$/;

/** The queue to begin with: the standard one, else the open one with the most nodes. */
export function firstQueue(queues: readonly Queue[]): Queue | undefined {
  const open = queues.filter((queue) => queue.open);
  return open.find((queue) => queue.standard) ?? open.toSorted((a, b) => (b.nodes ?? 0) - (a.nodes ?? 0))[0];
}

/** The YAML, with what only the user can choose as comments. */
export function suggestConfig(name: string, facts: SiteFacts, found: QueueFacts): string {
  const { scheduler } = facts;
  const queues = found.queues.filter((queue) => NAME.test(queue.name));
  const accounts = found.accounts.filter((account) => NAME.test(account));
  const lines: string[] = [];
  const queue = firstQueue(queues);
  const others = queues.filter((other) => other.open && other !== queue).map((other) => other.name);
  if (others.length > 0) lines.push(`# further queues: ${others.slice(0, LISTED).join(", ")}`);
  const account = accounts.length === 1 ? accounts[0] : accounts.find((each) => each === found.standardAccount);
  if (accounts.length > 1) lines.push(`# accounts: ${accounts.slice(0, LISTED).join(", ")}`);
  const node = nodeOf(queue, found);
  const launcher = scheduler && launcherOf(scheduler, facts.commands);
  const environment = scheduler === "sge" ? environmentOf(found) : undefined;
  if (scheduler === "sge" && (node.cores ?? 1) > 1 && !environment) {
    lines.push("# no parallel environment is known; without one a block is one slot, and node.cores has to be 1");
    node.cores = 1;
  }
  const provider = scheduler
    ? {
        type: scheduler,
        ...(queue ? { queue: queue.name } : {}),
        ...(account === undefined ? {} : { account }),
        ...(environment ? { parallelEnvironment: environment } : {}),
      }
    : { type: "local" };
  const config = {
    name,
    provider,
    ...(launcher ? { launcher: { type: launcher } } : {}),
    ...(scheduler ? { policy: { maxBlocks: 1, walltimeMs: Math.min(HOUR_MS, queue?.walltimeMs || HOUR_MS) } } : {}),
    ...(Object.keys(node).length > 0 ? { node } : {}),
    ...linkOf(facts),
    ...(facts.proxy === undefined ? {} : { proxy: facts.proxy }),
  };
  return `${lines.map((line) => `${line}\n`).join("")}${stringify(config)}`;
}

function nodeOf(queue: Queue | undefined, { node }: QueueFacts): { cores?: number; memoryMb?: number; gpus?: number } {
  const cores = queue?.cores ?? node?.cores;
  const memoryMb = queue?.memoryMb ?? node?.memoryMb;
  const gpus = Math.max(queue?.gpus ?? 0, node?.gpus ?? 0);
  return {
    ...(cores === undefined || cores < 1 ? {} : { cores }),
    ...(memoryMb === undefined || memoryMb < 2 ? {} : { memoryMb: Math.floor(memoryMb * MEMORY_SHARE) }),
    ...(gpus > 0 ? { gpus } : {}),
  };
}

function launcherOf(scheduler: string, commands: SiteFacts["commands"]): string | undefined {
  const own = OF_THE_MACHINE.find((command) => commands[command]);
  const usual = BY_SCHEDULER[scheduler];
  return own ?? (usual !== undefined && commands[usual] ? usual : undefined);
}

/** Where a login node's own name leads to itself alone, as Debian writes it, nodes could not dial it. */
function linkOf({ scheduler, address, interfaces }: SiteFacts): { link?: { interface: string } } {
  if (!scheduler || address === undefined || !isLoopback(address)) return {};
  const [first, ...others] = interfaces.map((each) => each.split("=")[0] as string);
  return first === undefined || others.length > 0 ? {} : { link: { interface: first } };
}

/** One that gives all slots on one host, which is what a block of one node is. */
function environmentOf({ parallelEnvironments = [] }: QueueFacts): string | undefined {
  const named = parallelEnvironments.filter(({ name }) => NAME.test(name));
  return (named.find(({ rule }) => rule === "$pe_slots") ?? named[0])?.name;
}
