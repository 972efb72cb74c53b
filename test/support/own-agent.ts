/** Agents that a test starts itself: with another environment, under another command, or beside one that runs already. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { programArgs } from "../../deploy/layout.ts";

export type OwnAgentOptions = {
  dir: string;
  env?: Record<string, string>;
  /** what runs before Node, as `prlimit --nofile=64` */
  command?: readonly string[];
};

export type OwnAgent = {
  pid: number;
  epoch: number;
  running(): boolean;
  /** what it has logged */
  log(): string;
  /** its exit code, at its end */
  code(): Promise<number | null>;
  /** Ends it and its work. */
  stop(): Promise<void>;
};

/** Starts an agent and resolves when it has its epoch; throws with its last words when it ends before. */
export async function startOwnAgent({ dir, env = {}, command = [] }: OwnAgentOptions): Promise<OwnAgent> {
  const [file, ...args] = [...command, process.execPath, ...programArgs("endpoint-agent/main"), "--dir", dir];
  const child = spawn(file as string, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = once(child, "close");
  const ready = once(child.stdout, "data").then(([line]) => JSON.parse(String(line)) as { epoch: number; pid: number });
  const early = exited.then(([code]) => {
    throw new Error(`the agent ended with code ${code}: ${log.slice(-2_000)}`);
  });
  early.catch(() => {});
  const { epoch, pid } = await Promise.race([ready, early]);
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    pid,
    epoch,
    running,
    log: () => log,
    code: async () => (await exited)[0] as number | null,
    async stop() {
      // The second signal does not wait for running work.
      for (let i = 0; i < 2 && running(); i++) {
        child.kill("SIGCONT");
        child.kill("SIGTERM");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const killer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** Whether the process runs; one that ended and was not waited for does not. */
export function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
