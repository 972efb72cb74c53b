/** A queue as a batch system describes it, and the small texts that all of them write alike. Pure. */

export type Queue = {
  name: string;
  /** the one for jobs that name none */
  standard: boolean;
  /** it takes jobs, of this user too as far as that is known */
  open: boolean;
  /** the longest that a job may ask for; undefined: not said, or no limit */
  walltimeMs: number | undefined;
  /** the most nodes of one job, or those that there are */
  nodes: number | undefined;
  cores: number | undefined;
  memoryMb: number | undefined;
  gpus: number;
  /** who may use it, where not everybody may */
  access?: string;
};

/** What one node has; of different ones the least. */
export type NodeFacts = { count: number; cores: number | undefined; memoryMb: number | undefined; gpus: number };

export type QueueFacts = {
  queues: Queue[];
  accounts: string[];
  /** the account that is charged when none is named */
  standardAccount?: string;
  node?: NodeFacts;
  /** of SGE: for more than one slot */
  parallelEnvironments?: { name: string; rule: string }[];
};

/** A queue of which nothing but its name is known. */
export function plainQueue(name: string): Queue {
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

/** The words of a text, each once. */
export function words(text: string): string[] {
  return [...new Set(text.split(/\s+/).filter((word) => word !== ""))];
}

/** A whole number; `128+` is what sinfo says where nodes differ. */
export function number(text: string | undefined): number | undefined {
  const match = /^(\d+)\+?$/.exec(text?.trim() ?? "");
  return match ? Number(match[1]) : undefined;
}

/** The smaller of those that are known. */
export function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

/** `23.5G`, `24684092kb` or `900M` in MiB. */
export function memoryMbOf(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt])i?b?$/i.exec(text?.trim() ?? "");
  if (!match) return undefined;
  const unit = { k: 1 / 1024, m: 1, g: 1024, t: 1024 ** 2 }[match[2]?.toLowerCase() ?? "m"] as number;
  return Math.floor(Number(match[1]) * unit);
}

/** Nodes as one: how many, and what the least of them has. */
export function leastOf(nodes: readonly Omit<NodeFacts, "count">[]): NodeFacts | undefined {
  const [first, ...more] = nodes;
  if (!first) return undefined;
  return more.reduce<NodeFacts>(
    (sum, node) => ({
      count: sum.count + 1,
      cores: least(sum.cores, node.cores),
      memoryMb: least(sum.memoryMb, node.memoryMb),
      gpus: Math.min(sum.gpus, node.gpus),
    }),
    { count: 1, ...first },
  );
}
