/** What tells one process from another that later got the same pid: its kernel start time, and the boot that both belong to. */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** Identifies a process for as long as the host stays up. */
export type ProcessIdentity = { pid: number; startTime: string };

/** Differs after each boot of the host. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch (error) {
    if (!saysAbsent(error)) throw error;
    return output("sysctl", ["-n", "kern.boottime"]) ?? "unknown";
  }
}

/** Names what process ids are counted in: they mean nothing in another container, which has the same boot id. */
export function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch (error) {
    if (!saysAbsent(error)) throw error;
    return "";
  }
}

/**
 * The kernel's start time of a process, or undefined when there is none of that pid (a zombie counts as none). Throws when it
 * cannot be known, as without a file descriptor to spare (FAULTS.md A9).
 */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (!saysAbsent(error)) throw error;
    return process.platform === "linux" ? undefined : output("ps", ["-o", "lstart=", "-p", String(pid)]);
  }
  // The second field is the command in parentheses and may hold anything; fields are counted after its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** Whether that very process still lives; one of which it cannot be known does. */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    return startTimeOf(identity.pid) === identity.startTime;
  } catch {
    return true;
  }
}

/** Whether a file below /proc could not be read because what it tells of is not there, or not ours to see. */
export function saysAbsent(error: unknown): boolean {
  return ["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? "unknown" };
}

function output(command: string, args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() || undefined;
  } catch {
    return undefined;
  }
}
