import type { Command } from "commander";
import { shellText } from "../calls/shell.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { addCallOptions, type CallFlags, withFlags } from "../options.ts";
import { writeOutput } from "../tasks/logs.ts";

type RunOptions = CallFlags & { json?: boolean };

/** One function for all of them, so that each command is data and none is registered. */
const TEMPLATE = "sh -c {command}";

/** `farcall run`: runs a shell command at an endpoint. */
export function registerRun(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: "run <command...>",
    summary: "run a shell command at an endpoint, show its output as it comes, and exit with its code",
    about: "One argument is a shell command line; several are the words of one command, each taken as it is.",
    examples: [
      ["farcall run -- uname -a", "a command and its words"],
      ["farcall run -- 'ls /data | wc -l'", "a command line for the shell there"],
      ["farcall run -e cluster --timeout 10m -- make test", "elsewhere, with a time limit"],
    ],
  });
  addCallOptions(command).action((words: string[], options: RunOptions) => runThere(context, words, options));
}

async function runThere(context: CliContext, words: string[], options: RunOptions): Promise<void> {
  const { terminal, signal } = context;
  const farcall = await context.connect();
  const shell = farcall.command(TEMPLATE, { name: "shell", allowFailure: true });
  const remote = withFlags(farcall, shell, { flags: options, signal });
  const task = remote.submit({ command: shellText(words) });
  await task.accepted;
  if (!options.json) {
    for await (const { stream, text } of farcall.tasks.follow(task.id, { signal })) {
      await writeOutput(context, stream, text);
    }
  }
  const result = await task;
  if (options.json) terminal.json({ id: task.id, ...result });
  context.exit(result.exitCode);
}
