/** Watches a process's memory and says afterwards whether it ran out. */
import { readFileSync } from "node:fs";

export type MemoryGuard = {
  /** The process has started. */
  attach(pid: number): void;
  /** Looks at the process; returns whether it is above its limit. */
  exceeded(): boolean;
  atDeath(signal: NodeJS.Signals | null): { limitMb: number; peakMb: number | undefined; outOfMemory: boolean };
  release(): void;
};

/** Reads the peak of resident memory of a process, in MB. */
export function peakRssMb(pid: number): number | undefined {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return match ? Number(match[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Guards one worker; `limitMb` 0 means no limit of its own. */
export function createMemoryGuard(limitMb: number): MemoryGuard {
  let pid: number | undefined;
  let peakMb: number | undefined;
  return {
    attach(started) {
      pid = started;
    },
    exceeded() {
      if (pid === undefined || limitMb === 0) return false;
      peakMb = peakRssMb(pid) ?? peakMb;
      return peakMb !== undefined && peakMb > limitMb;
    },
    atDeath: () => ({ limitMb, peakMb, outOfMemory: false }),
    release() {},
  };
}
