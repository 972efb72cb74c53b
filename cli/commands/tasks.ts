import { type Command, InvalidArgumentError, Option } from "commander";
import { TASK_STATES } from "../../protocol/task.ts";
import { addCommand, addGroup } from "../command.ts";
import type { CliContext } from "../context.ts";
import { collect, limitOption } from "../options.ts";
import { type CancelOptions, cancelTasks, retryTasks } from "../tasks/change.ts";
import { listTasks, type TaskListOptions } from "../tasks/list.ts";
import { type LogOptions, showLogs } from "../tasks/logs.ts";
import { showResult } from "../tasks/result.ts";
import { showTask } from "../tasks/show.ts";

/** `farcall tasks`: what was called, how it went, and what can be done about it. */
export function registerTasks(program: Command, context: CliContext): void {
  const group = addGroup(program, "tasks", "list, show, cancel and retry tasks; show their output");
  addCommand(group, {
    usage: "ls",
    summary: "list tasks, newest first",
    examples: [
      ["farcall tasks ls --state failed --since 1h", "what failed in the last hour"],
      ["farcall tasks ls --waiting", "what waits, and why"],
      ["farcall tasks ls --group run-7 --json", "a group's tasks as JSON"],
    ],
  })
    .alias("list")
    .option("-w, --waiting", "only what has not begun, and why each waits")
    .addOption(stateOption())
    .option("-e, --endpoint <name>", "only those of an endpoint")
    .option("-f, --function <name>", "only those of a function, by id or name")
    .option("-g, --group <name>", "only those of a group")
    .option("--since <time>", "submitted after: an age (90s, 15m, 1h, 7d) or a date")
    .option("--until <time>", "submitted before")
    .option("--oldest", "oldest first")
    .addOption(limitOption(50))
    .action((options: TaskListOptions) => listTasks(context, options));
  addCommand(group, {
    usage: "show <task>",
    summary: "show a task: its state, why it waits, its attempts, how it failed",
    examples: [["farcall tasks show 01890a5d-…", "everything that is known of it"]],
  }).action((id: string, options: { json?: boolean }) => showTask(context, id, options));
  addCommand(group, {
    usage: "result <task>",
    summary: "wait for a task's end and print its result",
    examples: [["farcall tasks result 01890a5d-…", "also of a call whose terminal is gone"]],
  }).action((id: string, options: { json?: boolean }) => showResult(context, id, options));
  addLogs(group, context);
  addCommand(group, {
    usage: "cancel [task...]",
    summary: "cancel tasks, by id or all unfinished ones of a group, function or endpoint",
    examples: [
      ["farcall tasks cancel 01890a5d-…", "one task; running work is killed"],
      ["farcall tasks cancel --group run-7", "a whole group"],
    ],
  })
    .option("-g, --group <name>", "all of a group")
    .option("-f, --function <id>", "all of a function")
    .option("-e, --endpoint <name>", "all of an endpoint")
    .option("--all", "all of yours")
    .action((ids: string[], options: CancelOptions) => cancelTasks(context, ids, options));
  addCommand(group, {
    usage: "retry <task...>",
    summary: "submit finished tasks again, as new ones that name the old ones",
    examples: [["farcall tasks retry 01890a5d-…", "prints the new task's id"]],
  }).action((ids: string[], options: { json?: boolean }) => retryTasks(context, ids, options));
}

/** `farcall logs`: the same as `farcall tasks logs`. */
export function registerLogs(program: Command, context: CliContext): void {
  addLogs(program, context);
}

function addLogs(parent: Command, context: CliContext): void {
  addCommand(parent, {
    usage: "logs <task>",
    summary: "print what a task wrote to stdout and stderr",
    examples: [["farcall logs -f 01890a5d-…", "as it is written, until the task ends"]],
  })
    .option("-f, --follow", "go on until the task ends")
    .addOption(new Option("--stream <name>", "only one of them").choices(["stdout", "stderr"]))
    .action((id: string, options: LogOptions) => showLogs(context, id, options));
}

function stateOption(): Option {
  const option = new Option("-s, --state <state>", "only tasks in this state; may be repeated").argParser(oneState);
  // For completion: `choices()` itself would replace the parser that collects them.
  option.argChoices = [...TASK_STATES];
  return option;
}

function oneState(value: string, earlier?: string[]): string[] {
  const states: readonly string[] = TASK_STATES;
  if (!states.includes(value)) throw new InvalidArgumentError(`expected one of ${states.join(", ")}`);
  return collect(value, earlier);
}
