/**
 * Finds what user code left running (FAULTS.md W6): by its cgroup where the worker has one, by a variable in its environment, and as
 * descendants of a worker that still runs. Where there is no cgroup, a process that left its session, cleared its environment
 * and whose parents have ended is not found.
 */
import { readdirSync, readFileSync } from "node:fs";
import { WORKER_ENV } from "../manager-config.ts";
import { cgroupMembers, removeCgroups } from "./cgroup.ts";
import { isExhausted } from "./exhaustion.ts";

export type ProcessInfo = { pid: number; parent: number; session: number };

/** The name of a worker's or command's cgroup, as `<nonce>/<worker>\0`, or how those of a manager begin, as `<nonce>/`. */
export function cgroupName(prefix: string): string {
  return `farcall-${prefix.replace("/", "-").replace("\0", ".w")}`;
}

/**
 * Processes whose cgroup or environment names a worker beginning with one of `prefixes`, and what
 * descends from `ancestor`. Other users' cannot be read, nor are they ours.
 */
export function findByWorker(prefixes: readonly string[], ancestor?: number): ProcessInfo[] {
  const members = new Set(prefixes.flatMap((prefix) => cgroupMembers(cgroupName(prefix))));
  const found: ProcessInfo[] = [];
  const others: ProcessInfo[] = [];
  for (const name of processIds()) {
    try {
      const ours = members.has(Number(name)) || namesWorker(name, prefixes);
      if (!ours && ancestor === undefined) continue;
      const info = infoOf(name);
      if (info) (ours ? found : others).push(info);
    } catch (error) {
      // Else it ended while it was looked at, or belongs to somebody else. Not seen is not dead (FAULTS.md A9).
      if (isExhausted(error)) throw error;
    }
  }
  return ancestor === undefined ? found : withDescendants(found, others, ancestor);
}

function namesWorker(pid: string, prefixes: readonly string[]): boolean {
  const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
  const at = environment.indexOf(`${WORKER_ENV}=`);
  return at >= 0 && prefixes.some((prefix) => environment.startsWith(prefix, at + WORKER_ENV.length + 1));
}

/** Undefined for what has ended and is only not waited for. */
function infoOf(pid: string): ProcessInfo | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : { pid: Number(pid), parent: Number(fields[1]), session: Number(fields[3]) };
}

function withDescendants(found: ProcessInfo[], others: readonly ProcessInfo[], ancestor: number): ProcessInfo[] {
  const all = [...found];
  const known = new Set([ancestor, ...found.map(({ pid }) => pid)]);
  for (let before = -1; before !== all.length; ) {
    before = all.length;
    for (const info of others) {
      if (known.has(info.pid) || !known.has(info.parent)) continue;
      known.add(info.pid);
      all.push(info);
    }
  }
  return all;
}

/** Empty where there is no /proc: there, process groups must do. */
function processIds(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch (error) {
    if (isExhausted(error)) throw error;
    return [];
  }
}

/** What stays of a worker: itself, and what has started its container and waits for it, in a session of its own. */
export type Kept = { worker: number; client?: number };

/** Which of a live worker's processes it left behind: those outside its session or no longer descended from it. */
export function leftBehind(found: readonly ProcessInfo[], { worker, client }: Kept): number[] {
  const parents = new Map(found.map(({ pid, parent }) => [pid, parent]));
  const descends = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = parents.get(at)) if (at === worker) return true;
    return false;
  };
  return found
    .filter(({ pid, session }) => pid !== worker && session !== client && (session !== worker || !descends(pid)))
    .map(({ pid }) => pid);
}

/** How long the searches for what ended workers and commands left are gathered: one look at /proc serves them all. */
const GATHER_MS = 100;
/** What was killed may wait in the kernel, for a file server that is dead (FAULTS.md A10): it is looked at less and less often. */
const GATHER_MAX_MS = 30_000;
const END_TRIES = 20;
const END_WAIT_MS = 10;

/**
 * Searches for leftovers by worker: at once where the worker goes on and its next task must not be mistaken for the last one,
 * soon where it has ended.
 */
export function createSweeper(nonce: string, onKilled: (count: number) => void) {
  let ended: string[] = [];
  /** of those that were looked for already, how long ago */
  const waited = new Map<string, number>();
  const sweep = () => {
    const names = ended;
    ended = [];
    const killed = attempt(() => killLeftovers(...names));
    if (killed === 0) {
      for (const name of names) {
        waited.delete(name);
        removeCgroups(cgroupName(name));
      }
      return;
    }
    if (killed !== undefined) onKilled(killed);
    // What is killed may need a moment to be gone, and its cgroup stays until then.
    for (const name of names) {
      const waitMs = Math.min(GATHER_MAX_MS, 2 * (waited.get(name) ?? GATHER_MS / 2));
      waited.set(name, waitMs);
      setTimeout(gather, waitMs, name).unref();
    }
  };
  const gather = (name: string) => {
    ended.push(name);
    if (ended.length === 1) setTimeout(sweep, GATHER_MS).unref();
  };
  return (name: string, kept: Kept | undefined) => {
    const prefix = `${nonce}/${name}\0`;
    if (kept !== undefined) {
      const killed = attempt(() => killLeftBehind(prefix, kept));
      if (killed !== undefined && killed > 0) onKilled(killed);
      return;
    }
    gather(prefix);
  };
}

/** Undefined where there is no descriptor to look with. */
function attempt(search: () => number): number | undefined {
  try {
    return search();
  } catch (error) {
    if (!isExhausted(error)) throw error;
    return undefined;
  }
}

/** Kills everything of a manager that ends, and waits the moment that it takes. */
export function killAll(prefix: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < END_TRIES; tries++) {
    const killed = attempt(() => killLeftovers(prefix));
    if (removeCgroups(cgroupName(prefix)) && killed === 0) return;
    Atomics.wait(pause, 0, 0, END_WAIT_MS);
  }
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
export function killLeftBehind(prefix: string, kept: Kept): number {
  let killed = 0;
  for (const pid of leftBehind(findByWorker([prefix], kept.worker), kept)) killed += kill(pid);
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
