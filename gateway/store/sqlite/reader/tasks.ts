/** One task: its view, attempts, payloads and output. */
import type { DatabaseSync } from "node:sqlite";
import type { Attempt, TaskFailure, TaskView } from "../../../../protocol/task.ts";
import type { Output, Payload } from "../../port.ts";
import { idToBytes } from "../ids.ts";
import { encodingOf, PLACE, payloadKey, placeOf } from "../states.ts";
import { type Rows, TASK_COLUMNS, type TaskRow } from "./rows.ts";

/** Prepares the reads of single tasks. */
export function createTaskReads(db: DatabaseSync, rows: Rows) {
  const byId = db.prepare(`select ${TASK_COLUMNS} from tasks t where id = ?`);
  const attemptRows = db.prepare("select * from attempts where task = ? order by attempt");
  const payloadRow = db.prepare(
    "select seq, args_form, args_size, args, result_form, result_size, result from tasks where id = ?",
  );
  const payload = db.prepare("select bytes from payloads where key = ?");
  const output = db.prepare(
    `select stdout, stderr, stdout_total as stdoutTotal, stderr_total as stderrTotal
     from outputs where task = (select seq from tasks where id = ?)`,
  );

  function getTask({ id, owner }: { id: string; owner: string | null }): TaskView | undefined {
    const row = byId.get(idToBytes(id)) as TaskRow | undefined;
    if (!row || (owner !== null && rows.spec(row.spec).owner !== owner)) return undefined;
    return rows.view(row);
  }

  /** The attempts of a row: those that ended before it did, then the one that is under way or ended it. */
  function attempts(row: TaskRow): Attempt[] {
    const { endpoint } = rows.spec(row.spec);
    const ended = (attemptRows.all(row.seq) as AttemptRow[]).map((attempt): Attempt => {
      const { code, message } = JSON.parse(attempt.failure) as TaskFailure;
      return {
        attempt: attempt.attempt,
        endpoint,
        block: rows.name(attempt.block),
        worker: rows.name(attempt.worker),
        startedAt: attempt.started_at,
        endedAt: attempt.ended_at,
        reason: code,
        message,
      };
    });
    if (row.started_at === null) return ended;
    const failure = row.failure === null || row.ended_at === null ? null : (JSON.parse(row.failure) as TaskFailure);
    ended.push({
      attempt: row.attempt,
      endpoint,
      block: rows.name(row.block),
      worker: rows.name(row.worker),
      startedAt: row.started_at,
      endedAt: row.ended_at,
      reason: failure?.code ?? null,
      message: failure?.message ?? null,
    });
    return ended;
  }

  return {
    attempts,
    ops: {
      getTask,
      attemptsOf({ id }: { id: string }): Attempt[] {
        const row = byId.get(idToBytes(id)) as TaskRow | undefined;
        return row ? attempts(row) : [];
      },
      payloadOf({ id, which }: { id: string; which: "arguments" | "result" }): Payload | undefined {
        const row = payloadRow.get(idToBytes(id)) as PayloadRow | undefined;
        if (!row) return undefined;
        const [form, size, value] =
          which === "result"
            ? [row.result_form, row.result_size, row.result]
            : [row.args_form, row.args_size, row.args];
        if (form === null) return undefined;
        const encoding = encodingOf(form);
        if (placeOf(form) === PLACE.blob) {
          return {
            encoding,
            size: size as number,
            bytes: null,
            blob: Buffer.from(value as Uint8Array).toString("hex"),
          };
        }
        const aside = placeOf(form) === PLACE.table;
        const bytes = aside ? (payload.get(payloadKey(row.seq, which)) as { bytes: Uint8Array }).bytes : value;
        return { encoding, size: size as number, bytes: bytes ?? new Uint8Array(0), blob: null };
      },
      outputOf: ({ id }: { id: string }) => output.get(idToBytes(id)) as Output | undefined,
    },
  };
}

type AttemptRow = {
  attempt: number;
  block: number | null;
  worker: number | null;
  started_at: number | null;
  ended_at: number;
  failure: string;
};
type PayloadRow = {
  seq: number;
  args_form: number;
  args_size: number;
  args: Uint8Array | null;
  result_form: number | null;
  result_size: number | null;
  result: Uint8Array | null;
};
