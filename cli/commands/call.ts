import type { Command } from "commander";
import { parseArguments } from "../calls/arguments.ts";
import { addTargetOptions, type TargetOptions, targetOf } from "../calls/target.ts";
import { createWaiting } from "../calls/waiting.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { addCallOptions, type CallFlags, collect, withFlags } from "../options.ts";
import { writeOutput } from "../tasks/logs.ts";
import { showValue } from "../tasks/result.ts";

type CallCommandOptions = TargetOptions &
  CallFlags & { kwarg?: string[]; wait: boolean; logs?: boolean; json?: boolean };

/** `farcall call`: calls one function and prints its result. */
export function registerCall(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: "call [function] [args...]",
    summary: "call a function, by name or id or out of a file, and print its result",
    about: "Arguments are JSON; a bare word is text. Put -- before arguments that begin with a dash.",
    examples: [
      ["farcall call square 12", "a registered function"],
      ["farcall call --python stats.py:mean '[1, 2, 3]'", "a function of a Python file"],
      ["farcall call --python log.py:log --kwarg base=10 1000", "an argument by its name: log(1000, base=10)"],
      ["farcall call --js ./analyse.ts:histogram '{\"bins\": 10}'", "an export of a module, bundled with its imports"],
      ["farcall call square --no-wait 12", "prints the task's id at once"],
    ],
  });
  addCallOptions(addTargetOptions(command))
    .option(
      "--kwarg <name=value>",
      "a keyword argument of a Python function, its value as JSON; may be repeated",
      collect,
    )
    .option("--no-wait", "print the task's id and do not wait for the result")
    .option("--logs", "show what it writes while it runs, on stderr")
    .action((name: string | undefined, args: string[], options: CallCommandOptions) =>
      call(context, name === undefined ? args : [name, ...args], options),
    );
}

async function call(context: CliContext, words: string[], options: CallCommandOptions): Promise<void> {
  const { terminal, signal } = context;
  const waiting = createWaiting(context, options);
  const farcall = await context.connect(waiting.connection);
  const { remote, rest } = await targetOf(farcall, words, options);
  const task = withFlags(farcall, remote, { flags: options, signal }).submit(...parseArguments(rest, options.kwarg));
  const value = await waiting.until(farcall.tasks, task, async () => {
    if (options.logs || !options.wait) await task.accepted;
    if (!options.wait) return undefined;
    if (options.logs) {
      for await (const chunk of farcall.tasks.follow(task.id, { signal })) await writeOutput(context, "stderr", chunk);
    }
    return await task;
  });
  if (!options.wait) return options.json ? terminal.json({ id: task.id }) : terminal.line(task.id);
  await showValue(context, { id: task.id, value, json: options.json });
}
