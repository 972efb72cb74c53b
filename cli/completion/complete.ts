/** What may follow the words of a command line: commands, options, their values, names that the gateway knows. */
import type { Argument, Command, Option } from "commander";
import type { CliContext } from "../context.ts";

/** How long names from the gateway are waited for: the user holds the tab key. */
const NAMES_TIMEOUT_MS = 800;

/** Suggestions for the last word, which may be empty. */
export async function complete(program: Command, words: readonly string[], context: CliContext): Promise<string[]> {
  const last = words.at(-1) ?? "";
  const { command, positionals, option } = walk(program, words.slice(0, -1));
  const candidates = option
    ? await valuesOf(option, context)
    : last.startsWith("-")
      ? command.options.filter((each) => !each.hidden).map((each) => each.long ?? each.short ?? "")
      : [...subcommandsOf(command), ...(await argumentsOf(command, positionals, context))];
  return [...new Set(candidates)].filter((word) => word !== "" && word.startsWith(last)).sort();
}

type Place = {
  command: Command;
  /** arguments given to the command so far */
  positionals: number;
  /** the option whose value comes next */
  option: Option | undefined;
};

/** Follows the words down the tree of commands. */
function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let positionals = 0;
  let option: Option | undefined;
  for (const word of words) {
    if (option) {
      option = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const found = command.options.find((each) => each.short === word || each.long === word);
      option = found?.required ? found : undefined;
      continue;
    }
    const child =
      positionals === 0 ? command.commands.find((each) => [each.name(), ...each.aliases()].includes(word)) : undefined;
    if (child) command = child;
    else positionals++;
  }
  return { command, positionals, option };
}

function subcommandsOf(command: Command): string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => each.name());
}

async function valuesOf(option: Option, context: CliContext): Promise<string[]> {
  if (option.argChoices) return option.argChoices;
  return namesFor(option.attributeName(), context);
}

async function argumentsOf(command: Command, positionals: number, context: CliContext): Promise<string[]> {
  const all = command.registeredArguments;
  const argument: Argument | undefined = all[positionals] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  if (!argument) return [];
  return argument.argChoices ?? namesFor(argument.name(), context);
}

/** Names that the gateway knows for arguments and options of that name. Nothing when it does not answer soon. */
async function namesFor(kind: string, context: CliContext): Promise<string[]> {
  const list = { endpoint: endpointNames, function: functionNames, group: groupNames, task: taskIds }[kind];
  if (!list) return [];
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, NAMES_TIMEOUT_MS, []).unref());
  return Promise.race([list(context).catch(() => []), late]);
}

async function endpointNames(context: CliContext): Promise<string[]> {
  return (await (await context.connect()).endpoints.list({ limit: 200 })).items.map((row) => row.name);
}

async function functionNames(context: CliContext): Promise<string[]> {
  return (await (await context.connect()).functions.list({ limit: 200 })).items.map((row) => row.name);
}

async function groupNames(context: CliContext): Promise<string[]> {
  const page = await (await context.connect()).call("listGroups", { query: { limit: 200 } });
  return page.items.map((row) => row.name);
}

async function taskIds(context: CliContext): Promise<string[]> {
  return (await (await context.connect()).tasks.list({ limit: 20 })).items.map((row) => row.id);
}
