import type { Command } from "commander";
import type { FunctionView } from "../../protocol/function.ts";
import { addCommand, addGroup } from "../command.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import { limitOption } from "../options.ts";
import type { Column } from "../output/table.ts";
import { age, byteSize, moment, oneLine, plain } from "../output/text.ts";

type ListOptions = { name?: string; limit: number; json?: boolean };

/** `farcall functions`: what is registered. */
export function registerFunctions(program: Command, context: CliContext): void {
  const group = addGroup(program, "functions", "list, show and delete registered functions");
  addCommand(group, {
    usage: "ls",
    summary: "list your functions, newest first",
    examples: [
      ["farcall functions ls", "the newest hundred"],
      ["farcall functions ls --name square", "every version of one name"],
    ],
  })
    .alias("list")
    .option("--name <name>", "only those of this name")
    .addOption(limitOption(100))
    .action((options: ListOptions) => listFunctions(context, options));
  addCommand(group, {
    usage: "show <function>",
    summary: "show a function, by id or the newest of a name, with its code",
    examples: [["farcall functions show square", "definition and code"]],
  }).action((name: string, options: { json?: boolean }) => showFunction(context, name, options));
  addCommand(group, {
    usage: "delete <function...>",
    summary: "delete functions by id or name; their tasks that have not started fail with FUNCTION_GONE",
    examples: [["farcall functions delete square", "the newest of that name"]],
  }).action((names: string[], options: { json?: boolean }) => deleteFunctions(context, names, options));
}

async function listFunctions(context: CliContext, options: ListOptions): Promise<void> {
  const farcall = await context.connect();
  const page = await farcall.functions.list({ limit: options.limit, ...(options.name ? { name: options.name } : {}) });
  if (options.json) return context.terminal.json(page.items);
  const now = await gatewayNow(farcall);
  const columns: Column<FunctionView>[] = [
    { title: "NAME", value: (row) => row.name, min: 10 },
    { title: "RUNTIME", value: (row) => row.definition.runtime },
    { title: "SIZE", value: (row) => byteSize(row.codeSize), align: "right" },
    { title: "REGISTERED", value: (row) => age(row.registeredAt, now) },
    { title: "ID", value: (row) => row.id, min: 12 },
  ];
  context.terminal.table(page.items, columns);
  if (page.cursor !== null) context.terminal.note(`there are more; --limit shows up to 1000, --name filters`);
}

async function showFunction(context: CliContext, name: string, options: { json?: boolean }): Promise<void> {
  const { terminal } = context;
  const farcall = await context.connect();
  const view = await farcall.functions.get(name);
  const code = await farcall.functions.code(view.id);
  if (options.json) return terminal.json({ ...view, code });
  const { definition } = view;
  terminal.line(
    `${terminal.style("bold", oneLine(view.name))}  ${definition.runtime}, entry ${oneLine(definition.entry)}`,
  );
  terminal.line(`  id          ${view.id}`);
  terminal.line(`  owner       ${oneLine(view.owner)}`);
  terminal.line(`  registered  ${moment(view.registeredAt)}`);
  for (const [key, value] of Object.entries(definition.env ?? {}))
    terminal.line(`  env         ${key}=${oneLine(value)}`);
  terminal.line(`  code        ${byteSize(view.codeSize)}`);
  terminal.line();
  for (const line of plain(code).trimEnd().split("\n")) terminal.line(`  ${line}`);
}

async function deleteFunctions(context: CliContext, names: string[], options: { json?: boolean }): Promise<void> {
  const farcall = await context.connect();
  for (const name of names) {
    const view = await farcall.functions.get(name);
    await farcall.functions.delete(view.id);
    if (options.json) context.terminal.json({ deleted: view.id, name: view.name });
    else context.terminal.line(`deleted ${view.name} (${view.id})`);
  }
}
