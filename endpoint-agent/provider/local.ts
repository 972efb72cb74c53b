/** Blocks on this machine: each node of a block is a manager process of its own session. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { BLOCK_ENV } from "../manager-config.ts";
import { isAlive, type ProcessIdentity, pidNamespace, startTimeOf } from "../process-identity.ts";
import { findBlockProcesses, killBlockProcesses } from "./block-processes.ts";
import { lastWords } from "./last-words.ts";
import type { JobStatus, Provider } from "./port.ts";

export type LocalOptions = {
  endpoint: string;
  /** a manager has ended: a good moment to ask for the status */
  onExit(): void;
  /** Whether a block that cannot be seen from here is certainly dead, as it has not been heard of for so long. */
  lost?(block: string): boolean;
};

/**
 * A job id names the block and its processes, so that a restarted agent knows them again, and where these numbers count:
 * `<block>:<pid>@<start>,…:<namespace>`.
 */
export function createLocalProvider({ endpoint, onExit, lost = () => false }: LocalOptions): Provider {
  const namespace = pidNamespace();
  const formatJob = (block: string, processes: readonly ProcessIdentity[]) =>
    `${block}:${processes.map(({ pid, startTime }) => `${pid}@${startTime}`).join(",")}:${namespace}`;
  /** how managers that this process started have ended */
  const ends = new Map<string, string>();
  const prefixOf = (block: string) => `${endpoint}/${block}/`;

  const start = (command: string[], options: { dir: string; env: Record<string, string>; logFile: string }) =>
    new Promise<ProcessIdentity>((resolve, reject) => {
      const [file, ...args] = command as [string, ...string[]];
      const log = openSync(options.logFile, "a", 0o600);
      const child = spawn(file, args, {
        cwd: options.dir,
        env: options.env,
        stdio: ["ignore", log, log],
        // Its own session: neither the agent's end nor a Ctrl-C in its terminal reaches it.
        detached: true,
      });
      closeSync(log);
      child.once("error", reject);
      child.once("spawn", () => {
        const pid = child.pid as number;
        let startTime: string;
        try {
          // Too short-lived to be seen: its exit says the rest.
          startTime = startTimeOf(pid) ?? "gone";
        } catch (error) {
          // Nobody could say later whether it lives.
          child.kill("SIGKILL");
          reject(error);
          return;
        }
        child.once("exit", (code, signal) => {
          ends.set(`${pid}@${startTime}`, describeEnd(code, signal, options.logFile));
          onExit();
        });
        child.unref();
        resolve({ pid, startTime });
      });
    });

  const statusOf = (id: string): JobStatus | undefined => {
    const { block, processes, from } = parseJob(id);
    // Of an agent in another container, whose directory this is too (FAULTS.md A6).
    if (from !== undefined && from !== namespace && !lost(block)) return undefined;
    if (processes.some(isAlive)) return { state: "running", reason: null };
    // Its end is proven only when its workers, and what they started, are dead too.
    if (killBlockProcesses(prefixOf(block)) > 0)
      return { state: "running", reason: "its last processes are being killed" };
    const reasons = processes.map(({ pid, startTime }) => ends.get(`${pid}@${startTime}`) ?? "its manager has ended");
    return { state: "gone", reason: reasons.join("; ") };
  };

  return {
    statusIntervalMs: 1_000,
    async submit({ name, commands, logFiles, env, dir }) {
      const processes: ProcessIdentity[] = [];
      for (let node = 0; node < commands.length; node++) {
        const environment = { ...env, [BLOCK_ENV]: `${prefixOf(name)}${node}` };
        const logFile = logFiles[node] as string;
        processes.push(await start(commands[node] as string[], { dir, env: environment, logFile }));
      }
      return formatJob(name, processes);
    },
    async status(ids) {
      const known = new Map<string, JobStatus>();
      for (const id of ids) {
        const status = statusOf(id);
        if (status) known.set(id, status);
      }
      return known;
    },
    async cancel(ids, { force }) {
      for (const id of ids) {
        const { block, processes } = parseJob(id);
        for (const identity of processes) if (isAlive(identity)) signal(identity.pid, force ? "SIGKILL" : "SIGTERM");
        if (force) killBlockProcesses(prefixOf(block));
      }
    },
    async find(name) {
      const nodes = new Map<string, ProcessIdentity>();
      // The manager is the oldest of its node's processes.
      for (const found of findBlockProcesses(prefixOf(name))) {
        const known = nodes.get(found.block);
        if (!known || Number(found.startTime) < Number(known.startTime)) nodes.set(found.block, found);
      }
      return nodes.size === 0 ? undefined : formatJob(name, [...nodes.values()]);
    },
  };
}

function parseJob(id: string): { block: string; processes: ProcessIdentity[]; from: string | undefined } {
  const [block = "", rest = "", from] = id.split(":");
  const processes = rest.split(",").map((text) => {
    const [pid = "", startTime = ""] = text.split("@");
    return { pid: Number(pid), startTime };
  });
  return { block, processes, from };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Ended meanwhile.
  }
}

function describeEnd(code: number | null, signalName: string | null, logFile: string): string {
  const how = signalName ? `the manager was ended by ${signalName}` : `the manager ended with exit code ${code}`;
  const last = code === 0 ? undefined : lastWords(logFile);
  return last ? `${how}: ${last}` : how;
}
