/** Finds what user code left running, by a variable in its environment (FAULTS.md W6). */
import { readdirSync, readFileSync } from "node:fs";
import { WORKER_ENV } from "./scrubbed-env.ts";

export type ProcessInfo = { pid: number; parent: number; session: number };

/** Processes whose environment names a worker beginning with one of `prefixes`. Other users' cannot be read, nor are they ours. */
export function findByWorker(prefixes: readonly string[]): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const name of processIds()) {
    try {
      const environment = readFileSync(`/proc/${name}/environ`, "latin1");
      const at = environment.indexOf(`${WORKER_ENV}=`);
      if (at < 0 || !prefixes.some((prefix) => environment.startsWith(prefix, at + WORKER_ENV.length + 1))) continue;
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z") continue;
      found.push({ pid: Number(name), parent: Number(fields[1]), session: Number(fields[3]) });
    } catch {
      // It ended while it was looked at, or belongs to somebody else.
    }
  }
  return found;
}

/** Empty where there is no /proc: there, process groups must do. */
function processIds(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Which of a live worker's processes it left behind: those outside its session or no longer descended from it. */
export function leftBehind(found: readonly ProcessInfo[], worker: number): number[] {
  const parents = new Map(found.map(({ pid, parent }) => [pid, parent]));
  const descends = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = parents.get(at)) if (at === worker) return true;
    return false;
  };
  return found
    .filter(({ pid, session }) => pid !== worker && (session !== worker || !descends(pid)))
    .map(({ pid }) => pid);
}

/** How long the searches for what ended workers and commands left are gathered: one look at /proc serves them all. */
const GATHER_MS = 100;

/**
 * Searches for leftovers by worker: at once where the worker goes on and its next task must not be mistaken for the last one,
 * soon where it has ended.
 */
export function createSweeper(nonce: string, onKilled: (count: number) => void) {
  let ended: string[] = [];
  const sweep = () => {
    const killed = killLeftovers(...ended);
    ended = [];
    if (killed > 0) onKilled(killed);
  };
  return (name: string, worker: number | undefined) => {
    const prefix = `${nonce}/${name}\0`;
    if (worker !== undefined) {
      const killed = killLeftBehind(prefix, worker);
      if (killed > 0) onKilled(killed);
      return;
    }
    ended.push(prefix);
    if (ended.length === 1) setTimeout(sweep, GATHER_MS).unref();
  };
}

/** Kills every process of the prefixes, until none is left that could have forked meanwhile. */
export function killLeftovers(...prefixes: string[]): number {
  let killed = 0;
  for (let round = 0; round < 5; round++) {
    const pids = findByWorker(prefixes).filter(({ pid }) => pid !== process.pid);
    if (pids.length === 0) break;
    for (const { pid } of pids) killed += kill(pid);
  }
  return killed;
}

/** Kills what a task left behind while its worker goes on. */
export function killLeftBehind(prefix: string, worker: number): number {
  let killed = 0;
  for (const pid of leftBehind(findByWorker([prefix]), worker)) killed += kill(pid);
  return killed;
}

function kill(pid: number): number {
  try {
    process.kill(pid, "SIGKILL");
    return 1;
  } catch {
    return 0;
  }
}
