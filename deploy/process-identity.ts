/** Tells a process apart from a later one that was given the same id. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export type ProcessIdentity = { pid: number; startTime: string };

/** Whether a process of that id exists (and is not a zombie). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return statOf(pid)?.state !== "Z";
}

/** The identity of a live process, or undefined. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = statOf(pid)?.startTime ?? startTimeByPs(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still lives. */
export function isSameProcess(identity: ProcessIdentity): boolean {
  return isAlive(identity.pid) && identify(identity.pid)?.startTime === identity.startTime;
}

/** Resolves true when exactly this process is gone, false when it is still there after `timeoutMs`. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isSameProcess(identity)) {
    if (performance.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

function statOf(pid: number): { state: string; startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] as string, startTime: fields[19] as string };
  } catch {
    return undefined;
  }
}

function startTimeByPs(pid: number): string | undefined {
  if (process.platform === "linux") return undefined;
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}
