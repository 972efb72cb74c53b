/** `farcall tasks ls`. */
import type { TaskState, TaskView } from "../../protocol/task.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import type { Column } from "../output/table.ts";
import { age, duration } from "../output/text.ts";

export type TaskListOptions = {
  state?: TaskState[];
  endpoint?: string;
  function?: string;
  group?: string;
  since?: string;
  until?: string;
  oldest?: boolean;
  limit: number;
  json?: boolean;
};

/** Prints one page of tasks. */
export async function listTasks({ connect, terminal }: CliContext, options: TaskListOptions): Promise<void> {
  const farcall = await connect();
  const { json, oldest, ...filter } = options;
  const page = await farcall.tasks.list({ ...filter, order: oldest ? "oldest" : "newest" });
  if (json) return terminal.json(page.items);
  const now = await gatewayNow(farcall);
  terminal.table(page.items, columnsAt(now));
  if (page.cursor !== null) terminal.note("there are more; --limit, --since and --state choose others");
}

function columnsAt(now: number): Column<TaskView>[] {
  return [
    { title: "ID", value: (task) => task.id },
    { title: "STATE", value: (task) => task.state },
    { title: "FUNCTION", value: (task) => task.functionName, min: 8 },
    { title: "ENDPOINT", value: (task) => task.endpointName, min: 6 },
    { title: "SUBMITTED", value: (task) => age(task.submittedAt, now), min: 6 },
    { title: "RAN", value: (task) => ranFor(task, now), align: "right" },
    { title: "WHY", value: (task) => task.failure?.code ?? "", min: 8 },
  ];
}

/** How long a task has run, or ran. */
export function ranFor(task: Pick<TaskView, "startedAt" | "endedAt">, now: number): string {
  return task.startedAt === null ? "" : duration(Math.max(0, (task.endedAt ?? now) - task.startedAt));
}
