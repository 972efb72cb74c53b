/** The manager's side of its watchdog: started first, told of every process group, replaced when it dies. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ownIdentity } from "../process-identity.ts";
import { sourceExtension } from "./runtimes.ts";
import { scrubbedEnv } from "./scrubbed-env.ts";

export type Watchdog = {
  deadline(at: number): void;
  group(pid: number, alive: boolean): void;
  /** The manager ends: nothing is left to watch. */
  stop(): void;
};

export type WatchdogOptions = {
  /** by which what user code left running is found */
  prefix: string;
  /** removed by the watchdog when the manager did not */
  directory: string;
  deadline: number;
  compileCache: string;
  termBeforeMs: number;
};

const RESTART_MS = 100;

/** Starts the watchdog. */
export function startWatchdog(options: WatchdogOptions): Watchdog {
  const groups = new Set<number>();
  let at = options.deadline;
  let stopped = false;
  let child: ChildProcess;

  const say = (line: string) => {
    if (child.stdin?.writable) child.stdin.write(`${line}\n`);
  };
  const start = () => {
    const file = fileURLToPath(new URL(`./watchdog${sourceExtension()}`, import.meta.url));
    const { pid, startTime } = ownIdentity();
    const args = [String(pid), startTime, options.prefix, options.directory, String(options.termBeforeMs)];
    child = spawn(process.execPath, ["--no-warnings", "--max-old-space-size=32", file, ...args], {
      stdio: ["pipe", "ignore", "inherit"],
      detached: true,
      env: scrubbedEnv(process.env, { NODE_COMPILE_CACHE: options.compileCache }),
    });
    child.stdin?.on("error", () => {});
    // Without it nothing enforces the deadline, so there is always one.
    const again = () => {
      if (!stopped) setTimeout(start, RESTART_MS);
    };
    child.on("error", () => {
      if (child.pid === undefined) again();
    });
    child.on("exit", again);
    say(`d ${at}`);
    for (const pid of groups) say(`+ ${pid}`);
  };
  start();
  return {
    deadline(next) {
      at = next;
      say(`d ${at}`);
    },
    group(pid, alive) {
      if (alive) groups.add(pid);
      else groups.delete(pid);
      say(`${alive ? "+" : "-"} ${pid}`);
    },
    stop() {
      stopped = true;
      say("q");
      child.stdin?.end();
    },
  };
}
