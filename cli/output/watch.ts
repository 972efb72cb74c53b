/** `--watch`: shows the same anew every few seconds until it is interrupted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { durationMs } from "../options.ts";
import { errorLines } from "./errors.ts";

const STANDARD_MS = 2_000;
const LEAST_MS = 200;

export type WatchOptions = { watch?: boolean; every?: number };

/** Adds the options. */
export function addWatch(command: Command): Command {
  return command
    .option("-w, --watch", "show it anew, every 2 s if not said, until interrupted")
    .option("--every <duration>", "with --watch: how often", durationMs);
}

/** Looks once or, with --watch, again and again; a look that fails is shown and is not the end, unless it is the first. */
export async function watching(
  { terminal, signal }: Pick<CliContext, "terminal" | "signal">,
  { watch = false, every = STANDARD_MS }: WatchOptions,
  look: () => Promise<readonly string[]>,
): Promise<void> {
  let lines = await look();
  if (!watch) {
    for (const line of lines) terminal.line(line);
    return;
  }
  while (!signal.aborted) {
    await terminal.screen(lines);
    await sleep(Math.max(LEAST_MS, every), undefined, { signal }).catch(() => {});
    if (!signal.aborted) lines = await look().catch((error: unknown) => errorLines(error, false));
  }
}
