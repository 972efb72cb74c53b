/**
 * Ends the work of a manager that cannot do it itself (PROTOCOL.md rule 20): at the deadline, also when the manager is stopped,
 * and as soon as the manager is gone. It reads lines from its stdin, a pipe from the manager:
 *
 *     d <ms>    the deadline, by os.uptime()        + <pid>   a process group begins        - <pid>   it is gone
 *     q         the manager has ended everything itself
 *
 * `node watchdog.ts <manager pid> <its start time> <WORKER_ENV prefix> <directory to remove> <term before ms>`
 */
import { rmSync } from "node:fs";
import { uptime } from "node:os";
import { isAlive } from "../process-identity.ts";
import { killAll } from "./leftovers.ts";

const POLL_MS = 250;
const TERM_MS = 1_000;

const [managerPid, startTime, prefix, directory, termBeforeMs] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const manager = { pid: Number(managerPid), startTime };
const groups = new Set<number>();
let deadline = Number.POSITIVE_INFINITY;
let text = "";
let warned = false;

process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (text + chunk).split("\n");
  text = lines.pop() as string;
  for (const line of lines) onLine(line[0], Number(line.slice(2)));
});
process.stdin.on("close", onManagerGone);
process.stdin.on("error", () => {});
// A signal to the whole job must not end the one that cleans up after it.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => {});
setInterval(poll, POLL_MS);

function onLine(kind: string | undefined, value: number): void {
  if (kind === "d") {
    deadline = value;
    warned = false;
  } else if (kind === "+") groups.add(value);
  else if (kind === "-") groups.delete(value);
  else if (kind === "q") process.exit(0);
}

function poll(): void {
  const left = deadline - uptime() * 1000;
  if (left <= 0) end();
  else if (left <= Number(termBeforeMs) && !warned) {
    warned = true;
    signal("SIGTERM");
  }
}

function onManagerGone(): void {
  if (groups.size === 0) end();
  signal("SIGTERM");
  setTimeout(end, TERM_MS);
}

function end(): never {
  signal("SIGKILL");
  // The manager too: one that is stopped would otherwise wake up with work that has been given to others.
  if (isAlive(manager)) kill(manager.pid, "SIGKILL");
  killAll(prefix);
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  process.exit(0);
}

function signal(name: NodeJS.Signals): void {
  for (const pid of groups) kill(-pid, name);
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}
