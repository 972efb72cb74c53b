/** How commands are declared: name, arguments, options, examples; each understands --json. */
import type { Command } from "commander";

export type CommandText = {
  /** as commander has it: `call <function> [args...]` */
  usage: string;
  summary: string;
  /** more than the summary, for --help */
  about?: string;
  /** command lines with what they do */
  examples: readonly (readonly [string, string])[];
};

/** Adds a command with --json and its examples; the caller adds options and the action. */
export function addCommand(parent: Command, text: CommandText): Command {
  const command = parent
    .command(text.usage)
    .summary(text.summary)
    .description(text.about ? `${text.summary}\n\n${text.about}` : text.summary)
    .option("--json", "print JSON instead of text");
  return withExamples(command, text.examples);
}

/** Appends examples to a command's help. */
export function withExamples(command: Command, examples: CommandText["examples"]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  # ${what}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** A command that only holds others; without one of them it prints its help, as a usage error. */
export function addGroup(parent: Command, name: string, summary: string): Command {
  const group = parent.command(name).summary(summary).description(summary);
  return group;
}
