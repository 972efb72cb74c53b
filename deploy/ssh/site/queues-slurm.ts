/** Partitions and accounts of Slurm. Pure. */
import { durationOf, least, number, type Queue, type QueueFacts, words } from "./queue.ts";

/** What is asked; the answers are cut at lines of `--`. */
// A controller that does not answer one command makes each of the others wait, too.
export const SLURM_SCRIPT = `sinfo -h -o '%P|%l|%D|%c|%m|%G|%a' || exit 0
echo --
sacctmgr -nP show assoc "user=$(id -un)" format=account 2>/dev/null
echo --
scontrol -o show partition 2>/dev/null
echo --
id -Gn
echo --
sacctmgr -nP show user "$(id -un)" format=defaultaccount 2>/dev/null`;

/** Reads the answers. */
export function parseSlurm([
  queues = "",
  accounts = "",
  details = "",
  groups = "",
  standard = "",
]: string[]): QueueFacts {
  const own = { accounts: words(accounts), groups: words(groups) };
  const limits = parsePartitions(details);
  const [standardAccount] = words(standard);
  return {
    queues: parseSinfo(queues).map((queue) => limited(queue, limits.get(queue.name), own)),
    accounts: own.accounts,
    ...(standardAccount === undefined ? {} : { standardAccount }),
  };
}

/** `sinfo -h -o '%P|%l|%D|%c|%m|%G|%a'`: one line for each kind of nodes; a partition's smallest counts. */
export function parseSinfo(text: string): Queue[] {
  const queues = new Map<string, Queue>();
  for (const line of text.split("\n")) {
    const [label, limit, nodes, cores, memory, gres, state] = line.trim().split("|");
    if (!label || state === undefined) continue;
    const name = label.replace(/\*$/, "");
    const before = queues.get(name);
    const own = { cores: number(cores), memoryMb: number(memory), gpus: gpusOf(gres ?? "") };
    queues.set(name, {
      name,
      standard: label.endsWith("*"),
      open: state === "up",
      walltimeMs: durationOf(limit ?? ""),
      nodes: (before?.nodes ?? 0) + (number(nodes) ?? 0),
      cores: least(before?.cores, own.cores),
      memoryMb: least(before?.memoryMb, own.memoryMb),
      gpus: before ? Math.min(before.gpus, own.gpus) : own.gpus,
    });
  }
  return [...queues.values()];
}

type Fields = ReadonlyMap<string, string>;

/** `scontrol -o show partition`: a line each, `Key=value` words. */
function parsePartitions(text: string): Map<string, Fields> {
  const partitions = new Map<string, Fields>();
  for (const line of text.split("\n")) {
    const fields = new Map(
      [...line.matchAll(/(\w+)=(\S*)/g)].map(([, key, value]) => [key as string, value as string]),
    );
    const name = fields.get("PartitionName");
    if (name) partitions.set(name, fields);
  }
  return partitions;
}

function limited(queue: Queue, fields: Fields | undefined, own: { accounts: string[]; groups: string[] }): Queue {
  if (!fields) return queue;
  const list = (key: string) => {
    const value = fields.get(key);
    return value === undefined || value === "ALL" ? undefined : value.split(",");
  };
  const groups = list("AllowGroups");
  const accounts = list("AllowAccounts");
  const denied = fields.get("DenyAccounts")?.split(",") ?? [];
  const access = [
    groups && `groups ${groups.join(", ")}`,
    accounts && `accounts ${accounts.join(", ")}`,
    denied.length > 0 && `not accounts ${denied.join(", ")}`,
    fields.get("RootOnly") === "YES" && "root",
  ].filter((each) => typeof each === "string");
  // Without accounting no account is known, and none is checked.
  const known = own.accounts.length > 0;
  const may =
    (!groups || groups.some((group) => own.groups.includes(group))) &&
    (!accounts || !known || accounts.some((account) => own.accounts.includes(account))) &&
    (!known || own.accounts.some((account) => !denied.includes(account))) &&
    fields.get("RootOnly") !== "YES";
  const maxNodes = number(fields.get("MaxNodes"));
  return {
    ...queue,
    open: queue.open && may,
    nodes: least(queue.nodes, maxNodes),
    ...(access.length > 0 ? { access: `only ${access.join("; ")}` } : {}),
  };
}

function gpusOf(gres: string): number {
  return [...gres.matchAll(/gpu(?::[^:,()]+)?:(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
}
