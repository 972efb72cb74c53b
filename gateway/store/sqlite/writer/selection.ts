/** Finds unfinished tasks by what they are, in slices: a million of them must not stop the commits of others. */
import type { TaskSelection } from "../../port.ts";
import { idToBytes } from "../ids.ts";
import { type Base, TRANSITION_COLUMNS, type TransitionRow, taskOf } from "./base.ts";
import type { Spec, Task } from "./model.ts";

/** Where the next slice begins. */
export type SliceCursor = { expiresAt: number; seq: number };
export type Slice = { tasks: Task[]; next: SliceCursor | null };

/** Rows looked at in one transaction at most. */
const SCANNED_ROWS = 2000;

export type Selecting = ReturnType<typeof createSelecting>;

/** Prepares the look-ups. */
export function createSelecting(base: Base) {
  const byId = base.db.prepare(`select ${TRANSITION_COLUMNS} from tasks where id = ?`);
  const bySeq = base.db.prepare(`select ${TRANSITION_COLUMNS} from tasks where seq = ?`);
  const window = base.db.prepare(
    `select seq, expires_at as expiresAt, spec from tasks indexed by tasks_open
     where state < 10 and expires_at >= :expiresAt and (expires_at > :expiresAt or seq > :seq)
     order by expires_at, seq limit ${SCANNED_ROWS}`,
  );
  const functionIds = base.db.prepare("select id from functions where name = ?");

  function rowToTask(row: TransitionRow | undefined): Task | undefined {
    return row && taskOf(base, row);
  }

  return {
    task: (id: string): Task | undefined => rowToTask(byId.get(idToBytes(id)) as TransitionRow | undefined),
    /** The next unfinished tasks whose spec is wanted. */
    slice(wanted: (spec: Spec) => boolean, from: SliceCursor | null): Slice {
      const rows = window.all(from ?? { expiresAt: 0, seq: 0 }) as (SliceCursor & { spec: number })[];
      const answers = new Map<number, boolean>();
      const tasks: Task[] = [];
      for (const row of rows) {
        let answer = answers.get(row.spec);
        if (answer === undefined) {
          answer = wanted(base.interning.specByKey(row.spec));
          answers.set(row.spec, answer);
        }
        if (answer) tasks.push(rowToTask(bySeq.get(row.seq) as TransitionRow) as Task);
      }
      const last = rows.length < SCANNED_ROWS ? undefined : rows.at(-1);
      return { tasks, next: last ? { expiresAt: last.expiresAt, seq: last.seq } : null };
    },
    /** What a selection wants, as a predicate on specs; functions and endpoints by id or name. */
    predicate(selection: Exclude<TaskSelection, { ids: string[] }>): (spec: Spec) => boolean {
      const { owner, group, function: name, endpoint } = selection;
      const functions = name === undefined ? null : new Set([name]);
      for (const row of name === undefined ? [] : functionIds.all(name)) functions?.add((row as { id: string }).id);
      return (spec) =>
        (owner === null || spec.owner.name === owner) &&
        (group === undefined || spec.group?.name === group) &&
        (functions === null || functions.has(spec.functionId)) &&
        (endpoint === undefined || spec.endpoint.id === endpoint || spec.endpoint.name === endpoint);
    },
  };
}
