/** What the kernel knows of a process: its memory and its processor time. Linux only, by /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second of /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;

/** The most resident memory that the process ever had, in MB; NaN where there is no /proc or the process is gone. */
export function peakMemoryMb(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(`${pid}/status`))?.[1];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) / 1024;
}

/** The processor time that the process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  // the second field is the program's name in parentheses and may hold anything
  const fields = readProc(`${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** The ids of a process's children, theirs and so on. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of safely(() => readdirSync("/proc"), [])) {
    if (!/^\d+$/.test(name)) continue;
    const parent = readProc(`${name}/stat`).split(") ").at(-1)?.split(" ")[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const under = (id: number): number[] =>
    [...parents].filter(([, parent]) => parent === id).flatMap(([child]) => [child, ...under(child)]);
  return under(pid);
}

function readProc(path: string): string {
  return safely(() => readFileSync(`/proc/${path}`, "utf8"), "");
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
