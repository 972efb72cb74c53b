/** Nodes on which managers fail to start or die at once: after three failures one is excluded for a while (FAULTS.md B15). */

/** `until` is on the caller's clock; `reason` is what the node's last manager said. */
export type ExcludedNode = { node: string; until: number; reason: string };

export type BadNodes = {
  /** A manager failed there. True when the node is excluded from now on. */
  failed(node: string, reason: string, now: number): boolean;
  /** A manager there has done work. */
  good(node: string): void;
  isExcluded(node: string, now: number): boolean;
  /** Whether a block that keeps away from these waits in vain: none is excluded any more, and no other is known to work. */
  inVain(exclude: readonly string[], now: number): boolean;
  excluded(now: number): ExcludedNode[];
};

export type BadNodesOptions = {
  /** failures further apart than this are not counted together */
  windowMs?: number;
  /** how long a node is excluded */
  excludeMs?: number;
  /** nodes excluded at once; the one whose time ends first makes room. 0: none ever is */
  most?: number;
};

/** Failures of one node after which it is excluded. */
export const FAILURES_OF_A_NODE = 3;
const HOUR_MS = 3_600_000;
/** Enough for a rack; all of them go onto one command line. */
const MOST = 64;
/** Nodes with failures that are remembered. */
const REMEMBERED = 1_024;
/** What may stand in a scheduler's directive. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

/** Forgets everything at the agent's end: the next one finds out anew. */
export function createBadNodes(options: BadNodesOptions = {}): BadNodes {
  const { windowMs = HOUR_MS, excludeMs = HOUR_MS, most = MOST } = options;
  const failures = new Map<string, number[]>();
  const out = new Map<string, ExcludedNode>();
  const worked = new Set<string>();
  const expire = (now: number) => {
    for (const [node, { until }] of out) if (until <= now) out.delete(node);
  };
  return {
    failed(node, reason, now) {
      if (most === 0 || !PLAIN_NAME.test(node)) return false;
      expire(now);
      const recent = [...(failures.get(node) ?? []).filter((at) => now - at < windowMs), now];
      failures.delete(node);
      failures.set(node, recent);
      if (failures.size > REMEMBERED) failures.delete(failures.keys().next().value as string);
      if (recent.length < FAILURES_OF_A_NODE) return false;
      failures.delete(node);
      const known = out.delete(node);
      // The oldest first: it is the next to end.
      if (out.size >= most) out.delete(out.keys().next().value as string);
      out.set(node, { node, until: now + excludeMs, reason });
      return !known;
    },
    good(node) {
      failures.delete(node);
      worked.add(node);
      if (worked.size > REMEMBERED) worked.delete(worked.values().next().value as string);
    },
    inVain(exclude, now) {
      expire(now);
      return (
        exclude.length > 0 &&
        !exclude.some((node) => out.has(node)) &&
        [...worked].every((node) => exclude.includes(node))
      );
    },
    isExcluded(node, now) {
      expire(now);
      return out.has(node);
    },
    excluded(now) {
      expire(now);
      return [...out.values()];
    },
  };
}
