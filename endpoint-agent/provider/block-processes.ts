/** Finds every process of a block by the variable that all of them inherit, also those that left their group or session. */
import { readdirSync, readFileSync } from "node:fs";
import { BLOCK_ENV } from "../manager-config.ts";
import { type ProcessIdentity, saysAbsent, startTimeOf } from "../process-identity.ts";

/** A process, and which block (and node) it belongs to: the variable's value. */
export type BlockProcess = ProcessIdentity & { block: string };

/** The processes whose BLOCK_ENV begins with `prefix`; none where there is no /proc. Throws when it cannot be known. */
export function findBlockProcesses(prefix: string): BlockProcess[] {
  return findMarked(BLOCK_ENV, prefix);
}

function findMarked(variable: string, prefix: string): BlockProcess[] {
  const found: BlockProcess[] = [];
  const wanted = `${variable}=`;
  for (const name of processIds()) {
    let environment: string;
    try {
      environment = readFileSync(`/proc/${name}/environ`, "latin1");
    } catch (error) {
      // Not seen is not dead: no descriptor may be left to look with (FAULTS.md A9).
      if (!saysAbsent(error)) throw error;
      // Ended meanwhile, or somebody else's.
      continue;
    }
    const entry = environment.split("\0").find((one) => one.startsWith(wanted));
    const block = entry?.slice(wanted.length);
    const pid = Number(name);
    if (block === undefined || !block.startsWith(prefix) || pid === process.pid) continue;
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) found.push({ pid, startTime, block });
  }
  return found;
}

/** Kills what is left of a block (or with `exact` of one node) and returns how many processes that were. */
export function killBlockProcesses(prefix: string, options: { exact?: boolean } = {}): number {
  return kill(findBlockProcesses(prefix).filter(({ block }) => !options.exact || block === prefix));
}

/** Kills the processes in which this variable begins with `prefix`, and returns how many they were. */
export function killMarked(variable: string, prefix: string): number {
  return kill(findMarked(variable, prefix));
}

function kill(left: readonly BlockProcess[]): number {
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended meanwhile.
    }
  }
  return left.length;
}

function processIds(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch (error) {
    if (!saysAbsent(error)) throw error;
    return [];
  }
}
