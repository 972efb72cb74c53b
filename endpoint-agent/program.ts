/** The agent's process: its options, its signals, its exit codes. */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ApiError } from "../protocol/errors.ts";
import type { OpenDriver } from "./driver.ts";
import { EXIT_DO_NOT_RESTART } from "./manager-config.ts";
import { type Running, runAgent } from "./run.ts";

const EXIT_FAILURE = 1;

/** Runs the agent of `--dir <endpoint dir>` until it ends. `openDriver` leads to sites on which it does not run itself. */
export async function runProgram({ openDriver }: { openDriver?: OpenDriver | undefined } = {}): Promise<void> {
  process.umask(0o077);
  const { values } = parseArgs({
    options: { dir: { type: "string" }, "take-over": { type: "boolean", default: false } },
  });
  if (values.dir === undefined) fail(new ApiError("CONFIG_INVALID", "--dir <endpoint dir> is missing"));

  const starting = new AbortController();
  let running: Running | undefined;
  let signals = 0;

  /** The first signal asks for an orderly end, the second does not wait for running work, the third for nothing. */
  function end(how: "drain" | "leave"): void {
    signals++;
    if (!running || signals > 2) {
      starting.abort();
      process.exit(signals > 2 ? EXIT_FAILURE : 0);
    }
    if (signals === 2) running.hurry();
    else running[how]().then(() => process.exit(0), fail);
  }
  process.on("SIGTERM", () => end("drain"));
  process.on("SIGINT", () => end("drain"));
  // For a restart: the blocks run on, and the next agent of this directory takes them over.
  process.on("SIGUSR2", () => end("leave"));
  // A closed terminal is no reason to stop.
  process.on("SIGHUP", () => {});

  try {
    running = await runAgent({
      dir: values.dir,
      takeOver: values["take-over"],
      version: versionOf(),
      env: process.env as Record<string, string>,
      runtimeDir: process.env.XDG_RUNTIME_DIR,
      openDriver,
      signal: starting.signal,
    });
    const { endpoint, epoch } = running;
    process.stdout.write(`${JSON.stringify({ ready: true, endpoint, epoch, pid: process.pid })}\n`);
    await running.fenced;
    process.exit(EXIT_DO_NOT_RESTART);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): never {
  const known = error instanceof ApiError;
  process.stderr.write(`${known ? `${error.code}: ${error.message}` : String((error as Error)?.stack ?? error)}\n`);
  // What the gateway or the configuration refuses is refused the next time too.
  process.exit(known && !error.retryable ? EXIT_DO_NOT_RESTART : EXIT_FAILURE);
}

/** As package.json says, which lies above the sources and, in the published package, above dist/. */
function versionOf(): string {
  const places = ["../package.json", "../../package.json"].map((place) => new URL(place, import.meta.url));
  const file = places.find((place) => existsSync(place));
  return file ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : "0.0.0";
}
