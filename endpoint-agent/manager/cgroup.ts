/**
 * A cgroup of its own for each worker and command, where this process may make one: as root, or where the site delegates it. It
 * limits memory, and it knows its processes whatever they do to hide.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Cgroup = {
  /** the file to which a process's id is written to put it in */
  readonly processes: string;
  add(pid: number): void;
  /** Removes it; its processes must have ended. */
  remove(): void;
};

export type MemoryCgroup = Cgroup & {
  /** whether the kernel killed something in it */
  outOfMemory(): boolean;
  peakMb(): number | undefined;
};

const ROOT = "/sys/fs/cgroup";
const MEGABYTE = 1024 * 1024;

/** Where version 1 and version 2 keep the same things. */
const FILES = {
  v1: {
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.limit_in_bytes",
    peak: "memory.max_usage_in_bytes",
    events: "memory.oom_control",
  },
  v2: { limit: "memory.max", swap: "memory.swap.max", peak: "memory.peak", events: "memory.events" },
} as const;

/** Makes a cgroup with that limit, or returns undefined where that is not possible. */
export function createMemoryCgroup(name: string, limitMb: number): MemoryCgroup | undefined {
  for (const { parent, files } of candidates()) {
    const dir = join(parent, name);
    try {
      mkdirSync(dir);
    } catch {
      continue;
    }
    try {
      writeFileSync(join(dir, files.limit), String(limitMb * MEGABYTE));
    } catch {
      rmdirSync(dir);
      continue;
    }
    const swap = join(dir, files.swap);
    if (existsSync(swap)) ignoring(() => writeFileSync(swap, files === FILES.v1 ? String(limitMb * MEGABYTE) : "0"));
    return {
      ...cgroupIn(dir),
      outOfMemory: () => Number(/^oom_kill (\d+)/m.exec(read(join(dir, files.events)))?.[1] ?? 0) > 0,
      peakMb: () => {
        const bytes = Number.parseInt(read(join(dir, files.peak)), 10);
        return Number.isNaN(bytes) ? undefined : bytes / MEGABYTE;
      },
    };
  }
  return undefined;
}

/** Makes a cgroup without a limit, only to know its processes; undefined where that is not possible. */
export function createPlainCgroup(name: string): Cgroup | undefined {
  for (const parent of plainParents()) {
    try {
      mkdirSync(join(parent, name));
      return cgroupIn(join(parent, name));
    } catch {
      // Not allowed, most often.
    }
  }
  return undefined;
}

/** The processes in the cgroups whose names begin so. */
export function cgroupMembers(prefix: string): number[] {
  return cgroupsOf(prefix).flatMap((dir) => read(join(dir, "cgroup.procs")).split("\n").filter(Boolean).map(Number));
}

/** Removes the cgroups whose names begin so; says whether none is left. One stays while a process in it is on its way out. */
export function removeCgroups(prefix: string): boolean {
  for (const dir of cgroupsOf(prefix)) ignoring(() => rmdirSync(dir));
  return cgroupsOf(prefix).length === 0;
}

function cgroupsOf(prefix: string): string[] {
  const parents = new Set([...plainParents(), ...candidates().map(({ parent }) => parent)]);
  return [...parents].flatMap((parent) =>
    readdirSync(parent)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(parent, name)),
  );
}

function cgroupIn(dir: string): Cgroup {
  const processes = join(dir, "cgroup.procs");
  return {
    processes,
    add: (pid) => ignoring(() => writeFileSync(processes, String(pid))),
    remove: () => ignoring(() => rmdirSync(dir)),
  };
}

/** Version 2 has one tree; of version 1's, those that cost a process nothing. */
function plainParents(): string[] {
  const own = read("/proc/self/cgroup");
  const found: string[] = [];
  for (const controller of ["pids", "freezer"]) {
    const path = new RegExp(`^\\d+:[^:]*\\b${controller}\\b[^:]*:(.*)$`, "m").exec(own)?.[1];
    if (path !== undefined) found.push(join(ROOT, controller, path), join(ROOT, controller));
  }
  const v2 = /^0::(.*)$/m.exec(own)?.[1];
  if (v2 !== undefined && existsSync(join(ROOT, "cgroup.controllers"))) found.push(join(ROOT, v2));
  return found.filter((parent) => existsSync(join(parent, "cgroup.procs")));
}

/** The kernel's count of processes killed for memory in this process's own cgroup, whatever limit was met. */
export function ownOomKills(): number {
  for (const { parent, files } of candidates()) {
    const local = files === FILES.v2 ? "memory.events.local" : files.events;
    const match = /^oom_kill (\d+)$/m.exec(read(join(parent, local)));
    if (match) return Number(match[1]);
  }
  return 0;
}

function candidates(): { parent: string; files: (typeof FILES)[keyof typeof FILES] }[] {
  const own = read("/proc/self/cgroup");
  const v1 = /^\d+:[^:]*\bmemory\b[^:]*:(.*)$/m.exec(own)?.[1];
  const v2 = /^0::(.*)$/m.exec(own)?.[1];
  const found = [];
  if (v1 !== undefined)
    for (const path of [v1, "/"]) found.push({ parent: join(ROOT, "memory", path), files: FILES.v1 });
  if (v2 !== undefined && existsSync(join(ROOT, "cgroup.controllers")))
    found.push({ parent: join(ROOT, v2), files: FILES.v2 });
  return found.filter(({ parent }) => existsSync(parent));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function ignoring(action: () => void): void {
  try {
    action();
  } catch {
    // A limit less, or a directory more: neither is worth a task.
  }
}
