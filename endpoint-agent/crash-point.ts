/**
 * Places where a test lets a process die (FAULTS.md A1). `FARCALL_CRASH=<point>=<file>` counts only when NODE_ENV is `test`;
 * the first to pass the point makes the file and is killed.
 */
import { writeFileSync } from "node:fs";

const [armed, file] = process.env.NODE_ENV === "test" ? (process.env.FARCALL_CRASH ?? "").split("=") : [];

/** Dies here when a test has asked for it. */
export function crashPoint(point: string): void {
  if (armed !== point || file === undefined) return;
  try {
    writeFileSync(file, point, { flag: "wx" });
  } catch {
    // It has died here before.
    return;
  }
  process.kill(process.pid, "SIGKILL");
}
