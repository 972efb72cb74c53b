/** A process that may start no other for a while. Root is above `prlimit --nproc`; a cgroup's answer is the same EAGAIN. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

const ROOT = "/sys/fs/cgroup/pids";

/** Why there can be none here, or undefined. */
export function whyNoProcessLimit(): string | undefined {
  const probe = join(ROOT, `farcall-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    writeFileSync(join(probe, "pids.max"), "10");
    return undefined;
  } catch {
    return "needs root and a cgroup of processes (version 1)";
  } finally {
    removed(probe);
  }
}

/** Puts a process, and what it will start, under a limit that can be set to what there is now, and taken away. */
export async function limitProcesses(pid: number) {
  const group = join(ROOT, `farcall-test-${pid}`);
  mkdirSync(group);
  writeFileSync(join(group, "cgroup.procs"), String(pid));
  return {
    none: () => writeFileSync(join(group, "pids.max"), readFileSync(join(group, "pids.current"))),
    any: () => writeFileSync(join(group, "pids.max"), "max"),
    /** To be called when what is in it has been told to end. */
    remove: () => waitFor(() => removed(group), { what: "the end of the limited processes" }),
  };
}

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
