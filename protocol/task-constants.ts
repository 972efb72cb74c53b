/** What is constant about tasks, and what follows from that: no schema, so that threads that need no schema load none. */

export const TASK_STATES = [
  "held",
  "staging",
  "queued",
  "leased",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;

export const TERMINAL_STATES = ["succeeded", "failed", "cancelled", "expired"] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

/** Whether a task in `state` has ended; such a state never changes. */
export function isTerminal(state: (typeof TASK_STATES)[number]): state is TerminalState {
  return (TERMINAL_STATES as readonly string[]).includes(state);
}

/** Payloads up to this many bytes travel inline; larger ones are blobs. */
export const INLINE_LIMIT_BYTES = 256 * 1024;
/** The largest payload: 1 GiB. */
export const BLOB_LIMIT_BYTES = 1024 ** 3;
/** The most tasks in one submit. */
export const MAX_BATCH_TASKS = 1000;

/** What one task needs of a node. */
export type ResourceAmounts = {
  cores: number;
  memoryMb: number;
  gpus: number;
  /** whole nodes of one block; a task without runs on a part of one */
  nodes?: number | undefined;
  ranksPerNode?: number | undefined;
};

/** The key of a resource class: tasks of one class are interchangeable to placement. */
export function resourceClass(resources: ResourceAmounts): string {
  const nodes = resources.nodes === undefined ? "" : `${resources.nodes}n`;
  return `${resources.cores}c${resources.memoryMb}m${resources.gpus}g${nodes}`;
}

export const DEFAULT_RESOURCES: ResourceAmounts = { cores: 1, memoryMb: 0, gpus: 0 };

/** Reads a key that `resourceClass` wrote. */
export function parseResourceClass(key: string): ResourceAmounts {
  const match = /^(\d+)c(\d+)m(\d+)g(?:(\d+)n)?$/.exec(key);
  if (!match) throw new TypeError(`not a resource class: ${key}`);
  const amounts = { cores: Number(match[1]), memoryMb: Number(match[2]), gpus: Number(match[3]) };
  return match[4] === undefined ? amounts : { ...amounts, nodes: Number(match[4]) };
}

export const DEFAULTS = {
  priority: 0,
  ttlMs: 14 * 86_400_000,
  retries: 0,
  retryDelayMs: 1000,
  maxAttempts: 3,
  /** hand-outs without an end after which a task is POISON (PROTOCOL.md rule 11) */
  maxHandOuts: 10,
  /** attempts that the site may take away, by preemption, walltime or a cancel of the block */
  maxTaken: 100,
  /** nodes that may fail under a task */
  maxNodeFailures: 3,
  retentionMs: 14 * 86_400_000,
} as const;
