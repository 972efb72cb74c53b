import { type Command, Option } from "commander";
import { ApiError } from "../../protocol/errors.ts";
import { countLines, readItems } from "../calls/items.ts";
import { showProgress } from "../calls/progress.ts";
import { addTargetOptions, type TargetOptions, targetOf } from "../calls/target.ts";
import { createWaiting } from "../calls/waiting.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { addCallOptions, type CallFlags, wholeNumber, withFlags } from "../options.ts";
import { describeError } from "../output/errors.ts";
import { valueJson } from "../output/value.ts";

type MapCommandOptions = TargetOptions & CallFlags & { inFlight: number; ordered?: boolean; json?: boolean };

/** `farcall map`: calls a function with every line of a file. */
export function registerMap(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: "map [function] [file]",
    summary: "call a function with every line of a JSON Lines file, and print the results as JSON Lines",
    about:
      'Each line of the file (- is stdin) is one argument. Each line of the output is {"index", "value"} or {"index", "error"}, as they end or, with --ordered, in the order of the lines. The exit code is 1 when one of them failed.',
    examples: [
      ["farcall map square numbers.jsonl > squares.jsonl", "a registered function"],
      ["seq 1000 | farcall map --js ./square.ts - --ordered", "from a pipe, results in order"],
    ],
  });
  addCallOptions(addTargetOptions(command))
    .addOption(
      new Option("--in-flight <count>", "how many are under way at most")
        .argParser(wholeNumber(1, 100_000))
        .default(1000),
    )
    .option("--ordered", "print the results in the order of the lines")
    .action((name: string | undefined, file: string | undefined, options: MapCommandOptions) => {
      const words = [name, file].filter((word) => word !== undefined);
      return map(context, words, options);
    });
}

async function map(context: CliContext, words: string[], options: MapCommandOptions): Promise<void> {
  const { terminal, signal, stdin } = context;
  const waiting = createWaiting(context, options);
  const farcall = await context.connect(waiting.connection);
  const { remote, rest } = await targetOf(farcall, words, options);
  const file = rest[0] ?? "-";
  if (rest.length > 1) throw new ApiError("BAD_REQUEST", `one file is expected, not also ${rest.slice(1).join(" ")}`);
  if (file === "-" && stdin.isTTY) terminal.note("reading JSON Lines from the terminal; Ctrl-D ends them");
  const progress = showProgress(terminal, file !== "-" && terminal.animated ? await countLines(file) : undefined);
  const prepared = withFlags(farcall, remote, { flags: options, signal });
  const { inFlight, ordered = false, endpoint, group } = options;
  let ended = 0;
  const query = { ...(endpoint ? { endpoint } : {}), ...(group ? { group } : {}) };
  const work = async () => {
    for await (const result of prepared.map(readItems(file, stdin), { inFlight, ordered })) {
      ended++;
      const failed = "error" in result && result.error !== undefined;
      const line = failed
        ? { index: result.index, error: describeError(result.error) }
        : { index: result.index, value: valueJson(result.value) };
      await terminal.write(`${JSON.stringify(line)}\n`);
      progress.count(failed);
      if (failed) context.exit(EXIT.taskFailed);
    }
  };
  try {
    await waiting.many(farcall.tasks, { query, ended: () => ended }, work);
  } finally {
    progress.end(signal.aborted);
  }
}
