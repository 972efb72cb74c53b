/** A real nats-server on a free loopback port, in operator mode, for tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureNatsAuth, NATS_CONFIG_FILE } from "../../deploy/nats/auth.ts";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { freePort } from "../../deploy/ports.ts";

export type TestNatsOptions = {
  /** kept at the end when given; else a temporary one that is removed */
  authDir?: string;
  port?: number;
  /** more lines of its configuration, as for TLS */
  config?: string;
};

export type TestNats = {
  /** of the server as it runs now; another one after `restart({ port: "other" })` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  authDir: string;
  /** SIGKILL; it stays dead until `restart`. */
  kill(): Promise<void>;
  /** Removes everything the server itself may have written; to be called while it is dead. */
  wipe(): Promise<void>;
  /** Ends it gracefully if it runs, and starts it again. */
  restart(options?: { port?: "same" | "other" }): Promise<void>;
  /** Stops it and removes its temporary directory. */
  stop(): Promise<void>;
};

/** Starts a server and resolves once it listens. `await using nats = await startNats()` stops it by itself. */
export async function startNats(options: TestNatsOptions = {}): Promise<TestNats & AsyncDisposable> {
  const { path } = await ensureNatsServer();
  const dir = await mkdtemp(join(tmpdir(), "farcall-nats-"));
  const authDir = options.authDir ?? join(dir, "auth");
  await ensureNatsAuth(authDir);
  const own = join(dir, "server");
  const config = join(authDir, NATS_CONFIG_FILE);
  if (options.config !== undefined) await appendFile(config, options.config);
  let port = options.port ?? (await freePort());
  let child: ChildProcess | undefined;

  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill(signal);
    await exited;
  };
  const start = async () => {
    // A port that was free may be taken by now: then another one is as good, unless it was asked for.
    for (let attempt = 0; ; attempt++) {
      try {
        child = await launch(path, { port, config, storeDir: own });
        return;
      } catch (error) {
        if (attempt === 4) throw error;
        if (options.port === undefined && attempt > 1) port = await freePort();
        await sleep(100);
      }
    }
  };
  const stop = async () => {
    await end("SIGTERM");
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  await start();
  return {
    get url() {
      return `nats://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    get pid() {
      // Never a number that kill() would read as "every process".
      if (child?.pid === undefined) throw new Error("the nats-server does not run");
      return child.pid;
    },
    authDir,
    kill: () => end("SIGKILL"),
    async wipe() {
      for (const path of [own, join(authDir, "accounts")]) await rm(path, { recursive: true, force: true });
    },
    async restart({ port: which = "same" } = {}) {
      await end("SIGTERM");
      if (which === "other") port = await freePort();
      await start();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

type Launch = { port: number; config: string; storeDir: string };

async function launch(path: string, { port, config, storeDir }: Launch): Promise<ChildProcess> {
  const args = ["--config", config, "--addr", "127.0.0.1", "--port", String(port), "--store_dir", storeDir];
  const child = spawn(path, args, { cwd: dirname(config), stdio: ["ignore", "ignore", "pipe"] });
  // A test process that dies must not leave its server behind.
  const killNow = () => child.kill("SIGKILL");
  process.once("exit", killNow);
  child.once("exit", () => process.removeListener("exit", killNow));
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`nats-server ended with code ${code}: ${log.slice(-1000)}`)));
    child.stderr?.on("data", (bytes: Buffer) => {
      // Only the beginning is kept; the rest is read so that the server does not block.
      if (log.length < 20_000) log += bytes.toString("utf8");
      if (log.includes("Server is ready")) resolve();
    });
  });
  return child;
}
