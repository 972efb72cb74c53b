/** The gateway as it is run: `node gateway/main.ts`, a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { ensureNatsAuth } from "../../../deploy/nats/auth.ts";

const MAIN = fileURLToPath(new URL("../../../gateway/main.ts", import.meta.url));

// What Node compiled once need not be compiled at each of a dozen starts.
const COMPILE_CACHE = fileURLToPath(new URL("../../../node_modules/.cache/node-compile", import.meta.url));

/** A running gateway. */
export type GatewayProcess = {
  url: string;
  token: string;
  pid: number;
  child: ChildProcess;
  ready: Record<string, unknown>;
};
/** A directory that gateways run in, one after the other. */
export type GatewayHome = AsyncDisposable & {
  dir: string;
  /** Starts the gateway in this directory and waits for its ready line. */
  start(env?: Record<string, string>): Promise<GatewayProcess>;
};

/** A directory with a gateway.yaml; without a nats-server unless one is named. Removed, with what runs in it, at the end. */
export async function makeGatewayHome(config: Record<string, unknown> = {}, natsDir?: string): Promise<GatewayHome> {
  const dir = await mkdtemp(join(tmpdir(), "farcall-gateway-"));
  const children: ChildProcess[] = [];
  const nats = natsDir ?? join(dir, "nats");
  if (natsDir === undefined) await ensureNatsAuth(nats);
  await mkdir(join(dir, "state"), { mode: 0o700 });
  const file = join(dir, "gateway.yaml");
  const whole = {
    stateDir: "state",
    nats: { servers: ["nats://127.0.0.1:1"], dir: nats },
    logLevel: "warn",
    ...config,
  };
  await writeFile(file, stringify(whole));
  return {
    dir,
    async start(env) {
      const child = spawnGateway(file, env);
      children.push(child);
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
      const line = await Promise.race([
        once(lines, "line"),
        once(child, "exit").then(([code]) => {
          throw new Error(`the gateway ended with code ${code}`);
        }),
      ]);
      const ready = JSON.parse(String(line[0])) as { url: string };
      const token = (await readFile(join(dir, "state", "admin-token"), "utf8")).trim();
      return { url: ready.url, token, pid: child.pid as number, child, ready };
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await end(child, "SIGKILL");
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Starts the program without waiting for anything. */
export function spawnGateway(config: string, env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, "--config", config], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
  });
}

/** Sends the signal and waits for the exit; its code, or the signal's name. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | string> {
  if (child.exitCode !== null) return child.exitCode;
  if (child.signalCode !== null) return child.signalCode;
  const exited = once(child, "exit");
  child.kill(signal);
  const [code, name] = await exited;
  return (code as number | null) ?? (name as string);
}

/** The resident memory of a process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
