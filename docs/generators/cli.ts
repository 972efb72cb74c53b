/** docs/cli.md, from the help of the program itself. */
import { Readable } from "node:stream";
import type { Command } from "commander";
import type { CliContext } from "../../cli/context.ts";
import { createTerminal } from "../../cli/output/terminal.ts";
import { createProgram } from "../../cli/program.ts";
import { generatedNotice } from "./markdown.ts";

/** Neither a width nor colours: as through a pipe. */
const NO_ENVIRONMENT = {};

/** The whole page. */
export function cliPage(): string {
  const written: string[] = [];
  const program = createProgram(contextThatWritesTo(written));
  const sections = [program, ...below(program)].flatMap((command) => {
    written.length = 0;
    command.outputHelp();
    return [
      `${"#".repeat(depth(command) + 2)} ${nameOf(command)}`,
      `\`\`\`text\n${written.join("\n").trimEnd()}\n\`\`\``,
    ];
  });
  return [
    "# Command line",
    generatedNotice("cli/"),
    "What `farcall --help` and the help of each command print. Every command understands `--json`. Colours and bars are for a\nterminal; through a pipe the output is plain. Errors go to standard error, results to standard output.",
    ...sections,
    "",
  ].join("\n\n");
}

function below(command: Command): Command[] {
  // what completion scripts call is not for people
  const shown = command.commands.filter((child) => !child.name().startsWith("__"));
  return shown.flatMap((child) => [child, ...below(child)]);
}

function depth(command: Command): number {
  return command.parent === null ? 0 : 1 + depth(command.parent);
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function contextThatWritesTo(lines: string[]): CliContext {
  const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, env: NO_ENVIRONMENT });
  return {
    env: NO_ENVIRONMENT,
    terminal: { ...terminal, width: undefined, line: (text: string) => void lines.push(text) },
    stdin: Readable.from([]),
    signal: new AbortController().signal,
    onForce: () => {},
    connect: () => Promise.reject(new Error("help connects to nothing")),
    exit: () => {},
  };
}
