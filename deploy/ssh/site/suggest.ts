/** A configuration for a site, from what it says of itself. Pure. */
import { stringify } from "yaml";
import type { SiteFacts } from "./probe.ts";
import type { Queue, QueueFacts } from "./queues.ts";

const HOUR_MS = 3_600_000;
/** Left to the system of a node. */
const MEMORY_SHARE = 0.95;
const LAUNCHERS = ["aprun", "ibrun", "jsrun", "srun", "mpiexec", "pbsdsh"] as const;

/** The queue to begin with: the standard one, else the open one with the most nodes. */
export function firstQueue(queues: readonly Queue[]): Queue | undefined {
  const open = queues.filter((queue) => queue.open);
  return open.find((queue) => queue.standard) ?? open.toSorted((a, b) => (b.nodes ?? 0) - (a.nodes ?? 0))[0];
}

/** The YAML, with what only the user can choose as comments. */
export function suggestConfig(name: string, facts: SiteFacts, { queues, accounts }: QueueFacts): string {
  const lines: string[] = [];
  const queue = firstQueue(queues);
  const others = queues.filter((other) => other.open && other !== queue).map((other) => other.name);
  if (others.length > 0) lines.push(`# further queues: ${others.slice(0, 20).join(", ")}`);
  if (accounts.length > 1) lines.push(`# accounts: ${accounts.join(", ")}`);
  const account = accounts.length === 1 ? { account: accounts[0] } : {};
  const provider = facts.scheduler
    ? { type: facts.scheduler, ...(queue ? { queue: queue.name } : {}), ...account }
    : { type: "local" };
  const launcher = facts.scheduler ? LAUNCHERS.find((command) => facts.commands[command]) : undefined;
  const walltimeMs = Math.min(HOUR_MS, queue?.walltimeMs ?? HOUR_MS);
  const node = {
    ...(queue?.cores === undefined ? {} : { cores: queue.cores }),
    ...(queue?.memoryMb === undefined ? {} : { memoryMb: Math.floor(queue.memoryMb * MEMORY_SHARE) }),
    ...(queue && queue.gpus > 0 ? { gpus: queue.gpus } : {}),
  };
  const config = {
    name,
    provider,
    ...(launcher ? { launcher: { type: launcher } } : {}),
    ...(facts.scheduler ? { policy: { maxBlocks: 1, walltimeMs } } : {}),
    ...(Object.keys(node).length > 0 ? { node } : {}),
    ...(facts.proxy === undefined ? {} : { proxy: facts.proxy }),
  };
  return `${lines.map((line) => `${line}\n`).join("")}${stringify(config)}`;
}
