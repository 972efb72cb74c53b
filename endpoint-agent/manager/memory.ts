/** Watches a process's memory and says afterwards whether it ran out (FAULTS.md W2). */
import { readFileSync } from "node:fs";
import { type Cgroup, createMemoryCgroup, createPlainCgroup, ownOomKills } from "./cgroup.ts";

export type MemoryGuard = {
  /** The process has started. */
  attach(pid: number): void;
  /** Looks at the process; returns whether it is above its limit. */
  exceeded(): boolean;
  /** The cgroup's file of processes, for a process that puts itself in before it starts others. */
  readonly processes: string | undefined;
  atDeath(
    exitCode: number | null,
    signal: NodeJS.Signals | null,
  ): { limitMb: number; peakMb: number | undefined; outOfMemory: boolean };
  release(): void;
};

/** The kernel's count of processes killed because memory ran out, looked at now and then. */
export type OomCount = {
  /** Notes where it stands. */
  sample(): void;
  /** Whether it has grown since the last sample. */
  grew(): boolean;
};

/** A worker itself needs this much, so no lower limit is enforced. */
const LEAST_MB = 64;

export type MemoryGuardOptions = {
  oom: OomCount;
  /** the limit is enforced by the runtime of its container */
  byRuntime: boolean;
};

/** As a runtime, and a shell in it, hand on that SIGKILL ended what ran: with a limit of memory that is nearly always the limit. */
const KILLED_CODE = 137;

/** Guards one worker or command; `limitMb` 0 means no limit of its own. */
export function createMemoryGuard(name: string, limitMb: number, { oom, byRuntime }: MemoryGuardOptions): MemoryGuard {
  const enforcedMb = Math.max(limitMb, LEAST_MB);
  const cgroup = limitMb > 0 ? createMemoryCgroup(name, enforcedMb) : undefined;
  const group: Cgroup | undefined = cgroup ?? createPlainCgroup(name);
  let pid: number | undefined;
  let peakMb: number | undefined;
  return {
    attach(started) {
      pid = started;
      group?.add(started);
    },
    exceeded() {
      if (pid === undefined || limitMb === 0) return false;
      peakMb = peakRssMb(pid) ?? peakMb;
      return peakMb !== undefined && peakMb > enforcedMb;
    },
    processes: group?.processes,
    atDeath(exitCode, signal) {
      // A shell lives on when its child is killed, and ends with an exit code.
      const inOwn = exitCode !== 0 && cgroup?.outOfMemory() === true;
      const inContainer = byRuntime && limitMb > 0 && exitCode === KILLED_CODE;
      const outOfMemory = inOwn || inContainer || (signal === "SIGKILL" && oom.grew());
      return { limitMb, peakMb: cgroup?.peakMb() ?? peakMb, outOfMemory };
    },
    release: () => group?.remove(),
  };
}

/** Counts in the cgroup that this process and its workers share: a batch job's, a container's, a session's. */
export function createOomCount(): OomCount {
  let last = ownOomKills();
  return {
    sample() {
      last = ownOomKills();
    },
    grew: () => ownOomKills() > last,
  };
}

function peakRssMb(pid: number): number | undefined {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return match ? Number(match[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}
