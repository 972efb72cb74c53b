import type { Command } from "commander";
import { createLiveOutput } from "../calls/live-output.ts";
import { shellText } from "../calls/shell.ts";
import { createWaiting } from "../calls/waiting.ts";
import { addCommand } from "../command.ts";
import type { CliContext } from "../context.ts";
import { addCallOptions, type CallFlags, withFlags } from "../options.ts";
import { valueJson } from "../output/value.ts";

type RunOptions = CallFlags & { json?: boolean };

/** One function for all of them, so that each command is data and none is registered. */
const TEMPLATE = "sh -c {command}";

/** `farcall run`: runs a shell command at an endpoint. */
export function registerRun(program: Command, context: CliContext): void {
  const command = addCommand(program, {
    usage: "run <command...>",
    summary: "run a shell command at an endpoint, show its output as it comes, and exit with its code",
    about:
      "One argument is a shell command line; several are the words of one command, each taken as it is. Of very much output only what was seen on its way and the end are kept, which is said on stderr; let a command write such to a file.",
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
  const waiting = createWaiting(context, options);
  const farcall = await context.connect(waiting.connection);
  const shell = farcall.command(TEMPLATE, { name: "shell", allowFailure: true });
  const remote = withFlags(farcall, shell, { flags: options, signal });
  const task = remote.submit({ command: shellText(words) });
  const output = createLiveOutput(context);
  const result = await waiting.until(farcall.tasks, task, async () => {
    await task.accepted;
    if (options.json) return task;
    try {
      for await (const chunk of farcall.tasks.follow(task.id, { signal })) await output.show(chunk);
      return await task;
    } catch (error) {
      await output.finish(undefined);
      throw error;
    }
  });
  if (options.json) terminal.json({ id: task.id, ...(valueJson(result) as object) });
  else await output.finish(result);
  context.exit(result.exitCode);
}
