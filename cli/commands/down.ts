import { rmSync } from "node:fs";
import type { Command } from "commander";
import { directoriesOf } from "../../deploy/directories.ts";
import { layoutOf } from "../../deploy/layout.ts";
import { isSameProcess, waitUntilGone } from "../../deploy/process-identity.ts";
import { endLeftovers, type RunningUp, readRunning } from "../../deploy/up/running.ts";
import { ApiError } from "../../protocol/errors.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";

const LEFTOVER_GRACE_MS = 30_000;
const STOP_TIMEOUT_MS = 60 * 60_000;
const NOW_TIMEOUT_MS = 60_000;

type DownOptions = { now?: boolean; json?: boolean };

/** `farcall down`: stops what `farcall up` started. */
export function registerDown(program: Command, context: CliContext): void {
  addCommand(program, {
    usage: "down",
    summary: "stop what `farcall up` started on this machine",
    about:
      "Running work may end first, as long as `up --drain-timeout` says. Queued tasks stay and run after the next `up`.",
    examples: [
      ["farcall down", "let running work end, then stop"],
      ["farcall down --now", "stop at once; running tasks are started again after the next `up`"],
    ],
  })
    .option("--now", "do not wait for running work")
    .action(async (options: DownOptions) => {
      const state = await down(context, options);
      if (options.json) context.terminal.json({ state });
      else context.terminal.line(state === "stopped" ? "farcall is down" : "farcall was not up");
    });
}

async function down({ env, terminal, signal }: CliContext, options: DownOptions): Promise<"stopped" | "not-running"> {
  const layout = layoutOf(directoriesOf(env).state);
  const running = readRunning(layout);
  if (!running) return "not-running";
  if (!isSameProcess(running)) {
    // The supervisor is dead; its parts need not be.
    const ended = await endLeftovers(layout, options.now ? 0 : LEFTOVER_GRACE_MS);
    rmSync(layout.running, { force: true });
    return ended > 0 ? "stopped" : "not-running";
  }
  terminal.status("stopping …");
  await stop(running, { now: options.now === true, signal });
  terminal.status("");
  return "stopped";
}

async function stop(running: RunningUp, { now, signal }: { now: boolean; signal: AbortSignal }): Promise<void> {
  process.kill(running.pid, "SIGTERM");
  // A second signal makes `up` stop at once.
  const again = () => void (isSameProcess(running) && process.kill(running.pid, "SIGTERM"));
  if (now) setTimeout(again, 200);
  signal.addEventListener("abort", again, { once: true });
  const gone = await waitUntilGone(running, now ? NOW_TIMEOUT_MS : STOP_TIMEOUT_MS);
  if (!gone)
    throw new ApiError("UNAVAILABLE", `farcall (process ${running.pid}) does not stop; \`kill -9 ${running.pid}\``);
}
