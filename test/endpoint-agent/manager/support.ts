/** Helpers of the manager's tests. */
import { readdirSync, readFileSync } from "node:fs";

/** Whether a process lives (a zombie does not). */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Pids of all live processes whose environment has this text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isAlive(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(text);
      } catch {
        return false;
      }
    });
}

/** The nonce of a manager, from its hello. */
export function nonceOf(frames: readonly { header: { kind: string } }[]): string {
  const hello = frames.find(({ header }) => header.kind === "hello")?.header as { nonce: string } | undefined;
  if (!hello) throw new Error("no hello came");
  return hello.nonce;
}
