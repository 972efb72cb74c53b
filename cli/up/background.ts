/** `farcall up --detach`: starts a foreground `up` in a session of its own and waits until it is ready. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { directoriesOf, makePrivateDirectory } from "../../deploy/directories.ts";
import { layoutOf } from "../../deploy/layout.ts";
import { findRunning } from "../../deploy/up/running.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { UpCommandOptions } from "../commands/up.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { plain } from "../output/text.ts";
import { alreadyUp, endpointOf, type UpFacts, upLines } from "./summary.ts";

/** What the background process says once it runs, as text or as JSON. */
const SUMMARY = /^(farcall is up| {2}\w+ {2,}|\{"state":)/;

/** Resolves when the stack answers; it goes on without this process. */
export async function upInBackground(context: CliContext, options: UpCommandOptions): Promise<void> {
  const { terminal, env, signal } = context;
  const directories = directoriesOf(env);
  const layout = layoutOf(makePrivateDirectory(directories.state));
  const running = findRunning(layout);
  if (running) return alreadyUp(context, running, options);
  for (const directory of [directories.config, layout.logDir]) makePrivateDirectory(directory);
  const began = performance.now();
  const logFile = layout.log("up");
  const child = startUp(logFile, options, env);
  let ended: number | null | undefined;
  child.on("exit", (code) => {
    ended = code;
  });
  const from = sizeOf(logFile);
  let shown = from;
  for (;;) {
    shown = showNews(context, logFile, shown);
    const now = findRunning(layout);
    if (now?.pid === child.pid && now?.state === "ready") {
      child.unref();
      return sayUp(context, { running: now, options, tookMs: performance.now() - began, stateDir: layout.dir });
    }
    if (ended !== undefined && now) return alreadyUp(context, now, options);
    if (ended !== undefined && saidWhy(logFile, from)) {
      // Its last words are on this terminal, too.
      showNews(context, logFile, shown);
      return context.exit(ended ?? EXIT.internal);
    }
    if (ended !== undefined) throw new ApiError("UNAVAILABLE", `farcall up ended; its log is ${logFile}`);
    if (signal.aborted) child.kill("SIGTERM");
    terminal.status("starting …");
    await sleep(20);
  }
}

function startUp(logFile: string, options: UpCommandOptions, env: CliContext["env"]) {
  const log = openSync(logFile, "a", 0o600);
  const main = fileURLToPath(new URL(`../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
  const { durability, endpoint, drainTimeout, json } = options;
  const args = ["up", "--durability", durability, "--endpoint", endpoint, "--drain-timeout", String(drainTimeout)];
  if (json) args.push("--json");
  const child = spawn(process.execPath, [main, ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...env, NO_COLOR: "1" } as NodeJS.ProcessEnv,
  });
  closeSync(log);
  return child;
}

function sayUp(
  { terminal }: CliContext,
  up: {
    running: NonNullable<ReturnType<typeof findRunning>>;
    options: UpCommandOptions;
    tookMs: number;
    stateDir: string;
  },
): void {
  const { running, options, tookMs, stateDir } = up;
  const facts: UpFacts = {
    state: "started",
    url: running.url,
    pid: running.pid,
    endpoint: endpointOf(running),
    stateDir,
    tookMs: Math.round(tookMs),
  };
  terminal.status("");
  if (options.json) terminal.json(facts);
  else for (const line of [...upLines(facts, terminal), "  stop      farcall down"]) terminal.line(line);
}

/** Passes on what the background process said (that it fetches something, why it failed). */
function showNews({ terminal }: CliContext, logFile: string, from: number): number {
  const size = sizeOf(logFile);
  if (size <= from) return from;
  const text = readFileSync(logFile).subarray(from, size).toString("utf8");
  const end = text.lastIndexOf("\n") + 1;
  // The summary is said by this process; the rest are notes.
  const lines = plain(text.slice(0, end)).split("\n");
  for (const line of lines) if (line !== "" && !SUMMARY.test(line)) terminal.note(line);
  return from + Buffer.byteLength(text.slice(0, end));
}

/** Whether an `up` that has failed said so, as every command does. */
function saidWhy(logFile: string, from: number): boolean {
  return /^(farcall: [A-Z_]+: |\{"error":)/m.test(readFileSync(logFile).subarray(from).toString("utf8"));
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
