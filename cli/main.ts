/** The composition root of `farcall`: the environment, the terminal, the commands, the exit code. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { directoriesOf } from "../deploy/directories.ts";
import { ApiError } from "../protocol/errors.ts";
import type { Farcall } from "../sdk/index.ts";
import { adviceFor } from "./advice.ts";
import type { CliContext } from "./context.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { describeError, errorLines } from "./output/errors.ts";
import { createTerminal } from "./output/terminal.ts";
import { createProgram } from "./program.ts";

const interrupted = new AbortController();
/** How long a command may take to end after Ctrl-C; `up` says itself what a second one does. */
const END_TIMEOUT_MS = 3_000;
/** How long a gateway that has answered before is tried again. */
const RETRY_FOR_MS = 60_000;
const endNow = async () => process.exit(EXIT.interrupted);
let force: () => Promise<unknown> = endNow;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (interrupted.signal.aborted) return void force().finally(endNow);
    interrupted.abort(new DOMException("interrupted", "AbortError"));
    if (force === endNow) setTimeout(endNow, END_TIMEOUT_MS).unref();
  });
}
// A reader that has seen enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : EXIT.internal));

const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, env: process.env });
let client: Farcall | undefined;
let exitCode: number = EXIT.ok;
const context: CliContext = {
  env: process.env,
  terminal,
  stdin: process.stdin,
  signal: interrupted.signal,
  onForce: (action) => {
    force = action;
  },
  async connect(options = {}) {
    if (!client) {
      if (!isConfigured(process.env)) {
        throw new ApiError(
          "UNAVAILABLE",
          "no gateway is configured: there is no FARCALL_URL and no profile; `farcall up` starts one here",
        );
      }
      const { Farcall } = await import("../sdk/index.ts");
      client = new Farcall({ connectForMs: 2_000, retryForMs: RETRY_FOR_MS, ...options });
    }
    return client;
  },
  exit: (code) => {
    exitCode = code;
  },
};

function isConfigured(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env.FARCALL_URL) || existsSync(join(directoriesOf(env).config, "profile.json"));
}

// What follows `--` belongs to the command that is run.
const wantsJson = process.argv.join("\0").split("\0--\0")[0]?.split("\0").includes("--json");
try {
  await createProgram(context).parseAsync(process.argv);
} catch (error) {
  terminal.status("");
  exitCode = interrupted.signal.aborted ? EXIT.interrupted : exitCodeOf(error);
  // Commander has printed its own errors, and an interrupt needs no explanation.
  const silent =
    String((error as { code?: unknown } | null)?.code).startsWith("commander.") || exitCode === EXIT.interrupted;
  const advice = silent ? undefined : adviceFor(error, process.env);
  if (wantsJson && !silent) terminal.note(JSON.stringify({ error: describeError(error, advice) }));
  else if (!silent)
    for (const line of errorLines(error, Boolean(process.env.FARCALL_DEBUG), advice)) terminal.note(line);
} finally {
  terminal.status("");
  await client?.close();
}
// Output that is still on its way to a pipe is written before the end.
process.exitCode = exitCode;
setTimeout(() => process.exit(exitCode), 1_000).unref();
