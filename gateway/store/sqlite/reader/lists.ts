/**
 * Lists and counts of tasks. They look at windows of rows, give way to other reads between them and stop after 5 s with what
 * they have (PROTOCOL.md rule 23); no read transaction outlives its window, so none keeps the WAL from being reused.
 */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TaskState, TaskView } from "../../../../protocol/task.ts";
import { TASK_STATES } from "../../../../protocol/task-constants.ts";
import type { Page, TaskQuery } from "../../port.ts";
import { CODE, FIRST_TERMINAL } from "../states.ts";
import { createRanges, type Filter, type Range, specConditions, stateCodes } from "./filters.ts";
import { type Rows, TASK_COLUMNS, type TaskRow } from "./rows.ts";

/** How long a read may look for matches. */
const DEADLINE_MS = 5000;
const WINDOW_ROWS = 10_000;
/** Up to this many unfinished tasks are sorted rather than looked for among the finished ones. */
const FEW_UNFINISHED = 20_000;

const UNFINISHED = "held + staging + queued + leased + running + waiting";

/** Prepares nothing: filters differ too much; statements are prepared per call, once for all of its windows. */
export function createListReads(db: DatabaseSync, rows: Rows) {
  const ranges = createRanges(db);

  /** How many tasks of each state match, by the counts kept with each spec. */
  function counted(filter: Filter): Record<TaskState, number> {
    const { sql, params } = specConditions(filter);
    const sums = TASK_STATES.map((state) => `coalesce(sum(c.${state}), 0) as ${state}`).join(", ");
    const from = sql === "" ? "counts c" : "counts c join specs s on s.key = c.spec";
    return db.prepare(`select ${sums} from ${from} where 1${sql}`).get(params) as Record<TaskState, number>;
  }

  async function countTasks({ filter, cap }: { filter: Filter; cap: number }): Promise<Record<TaskState, number>> {
    const timed = filter.sinceMs !== undefined || filter.untilMs !== undefined;
    const counts = timed ? await countWindows(filter) : counted(filter);
    const codes = stateCodes(filter);
    return Object.fromEntries(
      TASK_STATES.map((state) => [state, codes && !codes.includes(CODE[state]) ? 0 : Math.min(cap, counts[state])]),
    ) as Record<TaskState, number>;
  }

  async function countWindows(filter: Filter): Promise<Record<TaskState, number>> {
    const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
    const range = ranges.of(filter);
    if (!range) return counts;
    const { sql, params } = specConditions(filter);
    const statement = db.prepare(
      `select t.state as state, count(*) as n from tasks t cross join specs s on s.key = t.spec
       where t.seq between :from and :to${sql} group by t.state`,
    );
    const deadline = performance.now() + DEADLINE_MS;
    for (let from = range.from; from <= range.to && performance.now() < deadline; from += WINDOW_ROWS) {
      const to = Math.min(range.to, from + WINDOW_ROWS - 1);
      for (const { state, n } of statement.all({ ...params, from, to }) as { state: number; n: number }[]) {
        counts[TASK_STATES.find((name) => CODE[name] === state) as TaskState] += n;
      }
      await nextTurn();
    }
    return counts;
  }

  async function listTasks(query: TaskQuery): Promise<Page<TaskView>> {
    const range = ranges.of(query);
    if (!range) return { items: [], cursor: null };
    const newest = query.order === "newest";
    const at = query.cursor === undefined ? undefined : Number(query.cursor);
    if (at !== undefined && newest) range.to = Math.min(range.to, at - 1);
    if (at !== undefined && !newest) range.from = Math.max(range.from, at + 1);
    const counts = counted(query);
    const codes = stateCodes(query);
    const wanted = TASK_STATES.filter((state) => codes === null || codes.includes(CODE[state]));
    const matching = wanted.reduce((sum, state) => sum + counts[state], 0);
    if (matching === 0) return { items: [], cursor: null };
    if (codes?.every((code) => code < FIRST_TERMINAL) && unfinished() <= FEW_UNFINISHED)
      return fewUnfinished(query, range);
    return scan(query, { range, matching });
  }

  function unfinished(): number {
    return (db.prepare(`select coalesce(sum(${UNFINISHED}), 0) as n from counts`).get() as { n: number }).n;
  }

  function fewUnfinished(query: TaskQuery, { from, to }: Range): Page<TaskView> {
    const { sql, params } = specConditions(query);
    const statement = db.prepare(
      `select ${TASK_COLUMNS} from tasks t indexed by tasks_open cross join specs s on s.key = t.spec
       where t.state < 10 and t.state in (${stateCodes(query)?.join(", ")}) and t.seq between :from and :to${sql}
       order by t.seq ${query.order === "newest" ? "desc" : "asc"} limit :limit`,
    );
    const found = statement.all({ ...params, from, to, limit: query.limit }) as TaskRow[];
    return { items: found.map(rows.view), cursor: found.length < query.limit ? null : String(found.at(-1)?.seq) };
  }

  async function scan(
    query: TaskQuery,
    { range, matching }: { range: Range; matching: number },
  ): Promise<Page<TaskView>> {
    const newest = query.order === "newest";
    const { sql, params } = specConditions(query);
    const codes = stateCodes(query);
    const statement = db.prepare(
      `select ${TASK_COLUMNS} from tasks t cross join specs s on s.key = t.spec
       where t.seq between :from and :to${codes ? ` and t.state in (${codes.join(", ")})` : ""}${sql}
       order by t.seq ${newest ? "desc" : "asc"} limit :limit`,
    );
    const deadline = performance.now() + DEADLINE_MS;
    const items: TaskView[] = [];
    const left = { ...range };
    while (left.from <= left.to) {
      const from = newest ? Math.max(left.from, left.to - WINDOW_ROWS + 1) : left.from;
      const to = newest ? left.to : Math.min(left.to, left.from + WINDOW_ROWS - 1);
      const found = statement.all({ ...params, from, to, limit: query.limit - items.length }) as TaskRow[];
      for (const row of found) items.push(rows.view(row));
      if (items.length === query.limit) return { items, cursor: String(found.at(-1)?.seq) };
      if (newest) left.to = from - 1;
      else left.from = to + 1;
      // The counts say when everything was found, which saves looking through the rest.
      if (query.cursor === undefined && items.length >= matching) break;
      if (performance.now() > deadline) return { items, cursor: String(newest ? from : to) };
      await nextTurn();
    }
    return { items, cursor: null };
  }

  return { ops: { listTasks, countTasks } };
}
