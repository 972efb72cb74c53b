/** Runs the real `farcall` in a home of its own: temporary XDG directories, its output captured. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { endAllUnder } from "./processes.ts";

/** The program itself. */
export const BIN = new URL("../../bin/farcall.mjs", import.meta.url).pathname;

export type CliRun = { code: number | null; stdout: string; stderr: string };
export type RunOptions = { input?: string; env?: Record<string, string>; cwd?: string };

export type RunningCli = {
  child: ChildProcess;
  /** what it has written so far */
  stdout(): string;
  stderr(): string;
  /** Resolves at its end. */
  done: Promise<CliRun>;
};

export type CliHome = {
  dir: string;
  stateDir: string;
  configDir: string;
  env: NodeJS.ProcessEnv;
  /** Runs a command to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<CliRun>;
  /** Runs a command that must end well, and parses what it printed. */
  json<T = Record<string, unknown>>(args: readonly string[], options?: RunOptions): Promise<T>;
  /** Starts a command and leaves it running. */
  start(args: readonly string[], options?: RunOptions): RunningCli;
  profile(): Promise<{ url: string; token: string; endpoint: string }>;
  /** `farcall down --now`, ends what was started, removes the directory. */
  remove(): Promise<void>;
};

/** Makes a home. `await using home = await createCliHome()` removes it by itself. */
export async function createCliHome(): Promise<CliHome & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), "farcall-cli-"));
  const natsServer = await ensureNatsServer();
  const { FARCALL_URL: _url, FARCALL_TOKEN: _token, FARCALL_ENDPOINT: _endpoint, ...inherited } = process.env;
  const env: NodeJS.ProcessEnv = {
    ...inherited,
    HOME: dir,
    XDG_CONFIG_HOME: join(dir, "config"),
    XDG_STATE_HOME: join(dir, "state"),
    XDG_CACHE_HOME: join(dir, "cache"),
    FARCALL_NATS_SERVER: natsServer.path,
    NO_COLOR: "1",
  };
  const running = new Set<ChildProcess>();

  const start: CliHome["start"] = (args, options = {}) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: { ...env, ...options.env },
      cwd: options.cwd ?? dir,
      stdio: ["pipe", "pipe", "pipe"],
    });
    running.add(child);
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.stderr += text;
    });
    // A command that ends without reading its input is no failure of the test.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    const done = once(child, "close").then(([code]) => {
      running.delete(child);
      return { code: code as number | null, ...output };
    });
    return { child, stdout: () => output.stdout, stderr: () => output.stderr, done };
  };
  const run: CliHome["run"] = (args, options) => start(args, options).done;
  const remove = async () => {
    await run(["down", "--now"]);
    for (const child of running) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    // Agents of endpoints that were deployed or configured are processes of their own, which a failed test leaves.
    await endAllUnder(dir);
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    dir,
    stateDir: join(dir, "state", "farcall"),
    configDir: join(dir, "config", "farcall"),
    env,
    run,
    start,
    async json(args, options) {
      const { code, stdout, stderr } = await run([...args, "--json"], options);
      if (code !== 0) throw new Error(`farcall ${args.join(" ")} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout);
    },
    profile: async () => JSON.parse(await readFile(join(dir, "config", "farcall", "profile.json"), "utf8")),
    remove,
    [Symbol.asyncDispose]: remove,
  };
}
