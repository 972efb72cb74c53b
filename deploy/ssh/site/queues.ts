/** What a batch system says of its queues: how it is asked, and how its answers are read. Pure. */
import { harmless } from "../prompter.ts";

export type Queue = {
  name: string;
  /** the one for jobs that name none */
  standard: boolean;
  open: boolean;
  /** the longest that a job may ask for; undefined: not said, or no limit */
  walltimeMs: number | undefined;
  nodes: number | undefined;
  cores: number | undefined;
  memoryMb: number | undefined;
  gpus: number;
};

export type QueueFacts = { queues: Queue[]; accounts: string[] };

type Asking = {
  /** POSIX sh; what it prints is cut at lines of `--` */
  script: string;
  parse(sections: string[]): QueueFacts;
};

/** By `provider.type`; those that are missing have no queues to choose from, or no answer that is read here. */
export const ASKING: Readonly<Record<string, Asking>> = {
  slurm: {
    script: `sinfo -h -o '%P|%l|%D|%c|%m|%G|%a'
echo --
sacctmgr -nP show assoc "user=$(id -un)" format=account 2>/dev/null`,
    parse: ([queues = "", accounts = ""]) => ({ queues: parseSinfo(queues), accounts: words(accounts) }),
  },
  pbs: { script: "qstat -Q -f", parse: ([text = ""]) => ({ queues: parseQstat(text), accounts: [] }) },
  torque: { script: "qstat -Q -f", parse: ([text = ""]) => ({ queues: parseQstat(text), accounts: [] }) },
  moab: { script: "qstat -Q -f", parse: ([text = ""]) => ({ queues: parseQstat(text), accounts: [] }) },
  lsf: { script: "bqueues -w", parse: ([text = ""]) => ({ queues: parseBqueues(text), accounts: [] }) },
  sge: { script: "qconf -sql", parse: ([text = ""]) => ({ queues: words(text).map(plainQueue), accounts: [] }) },
};

/** Cuts what the script printed. */
export function sectionsOf(text: string): string[] {
  return harmless(text)
    .split(/^--$/m)
    .map((section) => section.trim());
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

/** `qstat -Q -f` of PBS and Torque. Routing queues, which pass jobs on, are queues too. */
export function parseQstat(text: string): Queue[] {
  return text.split(/^Queue: */m).flatMap((part, index) => {
    const name = part.split("\n", 1)[0]?.trim();
    if (index === 0 || !name) return [];
    const field = (key: string) => new RegExp(`^\\s*${key.replace(".", "\\.")} = (.*)$`, "m").exec(part)?.[1]?.trim();
    const open = field("enabled") === "True" && field("started") === "True";
    return [
      {
        ...plainQueue(name),
        open,
        walltimeMs: durationOf(field("resources_max.walltime") ?? ""),
        nodes: number(field("resources_max.nodect")),
      },
    ];
  });
}

/** `bqueues -w`: a table whose second column is a priority and whose third is the state. */
export function parseBqueues(text: string): Queue[] {
  return text.split("\n").flatMap((line) => {
    const [name, priority, state] = line.trim().split(/\s+/);
    if (!name || !state || !/^\d+$/.test(priority ?? "")) return [];
    return [{ ...plainQueue(name), open: /^Open:/.test(state) }];
  });
}

/** `1-12:00:00`, `12:00:00`, `30:00` (minutes), `30` (minutes) or `infinite`. */
export function durationOf(text: string): number | undefined {
  const match = /^(?:(\d+)-)?(?:(?:(\d+):)?(\d+):(\d+)|(\d+))$/.exec(text.trim());
  if (!match) return undefined;
  const [days, hours, minutes, seconds, bare] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  // After days a bare number is hours, as in `2-12`.
  const loose = match[1] === undefined ? bare * 60_000 : bare * 3_600_000;
  return days * 86_400_000 + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + loose;
}

function gpusOf(gres: string): number {
  return [...gres.matchAll(/gpu(?::[^:,()]+)?:(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
}

function plainQueue(name: string): Queue {
  return {
    name,
    standard: false,
    open: true,
    walltimeMs: undefined,
    nodes: undefined,
    cores: undefined,
    memoryMb: undefined,
    gpus: 0,
  };
}

function words(text: string): string[] {
  return [...new Set(text.split(/\s+/).filter((word) => word !== ""))];
}

/** `128+` is what sinfo says where nodes differ. */
function number(text: string | undefined): number | undefined {
  const match = /^(\d+)\+?$/.exec(text?.trim() ?? "");
  return match ? Number(match[1]) : undefined;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
