/** `farcall tasks ls`. */
import { ApiError } from "../../protocol/errors.ts";
import type { TaskDetail } from "../../protocol/operations.ts";
import type { TaskState, TaskView } from "../../protocol/task.ts";
import type { TasksApi } from "../../sdk/index.ts";
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
  waiting?: boolean;
  limit: number;
  json?: boolean;
};

type Row = TaskView & { waits?: TaskDetail["waits"] };

/** The states of what has not begun. */
const WAITING: readonly TaskState[] = ["held", "staging", "queued", "leased", "waiting"];
/** Questions at once: why each of them waits. */
const ASKED_AT_ONCE = 8;

/** Prints one page of tasks. */
export async function listTasks({ connect, terminal }: CliContext, options: TaskListOptions): Promise<void> {
  const farcall = await connect();
  const { json, oldest, waiting, ...filter } = options;
  if (waiting && filter.state) throw new ApiError("BAD_REQUEST", "--waiting and --state exclude each other");
  const query = { ...filter, ...(waiting ? { state: WAITING } : {}) };
  const page = await farcall.tasks.list({ ...query, order: oldest ? "oldest" : "newest" });
  const rows: Row[] = waiting ? await withReasons(page.items, farcall.tasks) : page.items;
  if (json) return terminal.json(rows);
  const now = await gatewayNow(farcall);
  if (waiting && rows.length === 0) terminal.note("nothing waits");
  terminal.table(rows, columnsAt(now));
  if (page.cursor !== null) terminal.note("there are more; --limit, --since and --state choose others");
}

async function withReasons(tasks: readonly TaskView[], api: Pick<TasksApi, "get">): Promise<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < tasks.length; i += ASKED_AT_ONCE) {
    const some = tasks.slice(i, i + ASKED_AT_ONCE).map(async (task) => {
      const { attempts: _, ...detail } = await api.get(task.id);
      return detail;
    });
    rows.push(...(await Promise.all(some)));
  }
  return rows;
}

function columnsAt(now: number): Column<Row>[] {
  return [
    { title: "ID", value: (task) => task.id },
    { title: "STATE", value: (task) => task.state },
    { title: "FUNCTION", value: (task) => task.functionName, min: 8 },
    { title: "ENDPOINT", value: (task) => task.endpointName, min: 6 },
    { title: "SUBMITTED", value: (task) => age(task.submittedAt, now), min: 6 },
    { title: "RAN", value: (task) => ranFor(task, now), align: "right" },
    { title: "WHY", value: (task) => task.failure?.code ?? task.waits?.message ?? "", min: 8 },
  ];
}

/** How long a task has run, or ran. */
export function ranFor(task: Pick<TaskView, "startedAt" | "endedAt">, now: number): string {
  return task.startedAt === null ? "" : duration(Math.max(0, (task.endedAt ?? now) - task.startedAt));
}
