/** The tree of commands. */
import { Command } from "commander";
import { VERSION } from "../deploy/version.ts";
import { registerBench } from "./commands/bench.ts";
import { registerCall } from "./commands/call.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerDown } from "./commands/down.ts";
import { registerEndpointCommands } from "./commands/endpoint.ts";
import { registerFunctions } from "./commands/functions.ts";
import { registerMap } from "./commands/map.ts";
import { registerRun } from "./commands/run.ts";
import { registerStatus } from "./commands/status.ts";
import { registerLogs, registerTasks } from "./commands/tasks.ts";
import { registerUp } from "./commands/up.ts";
import { registerVersion } from "./commands/version.ts";
import type { CliContext } from "./context.ts";
import { EXIT_MEANINGS } from "./exit-codes.ts";

/** All commands over one context; parsing it runs the one that the arguments name. */
export function createProgram(context: CliContext): Command {
  const { terminal } = context;
  const program = new Command("farcall");
  program
    .description("Call a function anywhere: a laptop, a cluster, a supercomputer.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help, or that of a command")
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => terminal.line(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
      outputError: (text, write) => write(text.replace(/^error: /, "farcall: ")),
      getOutHelpWidth: () => terminal.width ?? 100,
      getErrHelpWidth: () => terminal.width ?? 100,
    })
    .addHelpText("after", `\nExit codes:\n${exitCodeLines().join("\n")}`)
    .addHelpText("after", "\n`farcall <command> --help` shows options and examples.");

  registerUp(program, context);
  registerDown(program, context);
  registerStatus(program, context);
  registerCall(program, context);
  registerMap(program, context);
  registerRun(program, context);
  registerFunctions(program, context);
  registerTasks(program, context);
  registerLogs(program, context);
  registerEndpointCommands(program, context);
  registerBench(program, context);
  registerDoctor(program, context);
  registerVersion(program, context);
  registerCompletion(program, context);
  return program;
}

function exitCodeLines(): string[] {
  return EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`);
}
