/** Task rows as the API shows them. */
import type { DatabaseSync } from "node:sqlite";
import type { CallSpec, TaskFailure, TaskView } from "../../../../protocol/task.ts";
import { bounded } from "../bounded.ts";
import { idFromBytes } from "../ids.ts";
import { encodingOf, PLACE, placeOf, stateOf } from "../states.ts";

/** The columns of a task `t` that a view needs; the payloads are not among them. */
export const TASK_COLUMNS = `t.seq, t.id, t.spec, t.state, t.lease, t.attempt, t.submitted_at, t.started_at, t.ended_at, t.expires_at,
  t.retry_at, t.retry_of, t.block, t.worker, t.failure, t.result_form, t.result_size,
  case when t.result_form >= 8 then t.result end as result_blob`;

export type TaskRow = {
  seq: number;
  id: Uint8Array;
  spec: number;
  state: number;
  lease: number;
  attempt: number;
  submitted_at: number;
  started_at: number | null;
  ended_at: number | null;
  expires_at: number;
  retry_at: number | null;
  retry_of: Uint8Array | null;
  block: number | null;
  worker: number | null;
  failure: string | null;
  result_form: number | null;
  result_size: number | null;
  result_blob: Uint8Array | null;
};

/** What a spec's row says. */
export type SpecView = {
  owner: string;
  group: string | null;
  functionName: string;
  endpoint: string;
  endpointName: string;
  spec: CallSpec;
};

export type Rows = {
  spec(key: number): SpecView;
  name(key: number | null): string | null;
  view(row: TaskRow): TaskView;
};

/** Names of functions and endpoints may change, so they are not kept for longer. */
const NAMES_MS = 1000;

/** Prepares the look-ups behind a view. */
export function createRows(db: DatabaseSync): Rows {
  const specs = bounded<number, SpecView>(1000);
  const names = bounded<number, string>(5000);
  let specsSince = performance.now();
  const specRow = db.prepare(`
    select o.name as owner, g.name as grp, e.id as endpoint, e.name as endpointName, s.text as text, s.function as function,
      (select f.name from functions f where f.id = s.function and f.owner = o.name order by f.seq desc limit 1) as functionName
    from specs s join owners o on o.key = s.owner join endpoints e on e.key = s.endpoint left join groups g on g.key = s.grp
    where s.key = ?`);
  const nameRow = db.prepare("select text from names where key = ?");

  function spec(key: number): SpecView {
    if (performance.now() - specsSince > NAMES_MS) {
      specs.clear();
      specsSince = performance.now();
    }
    let found = specs.get(key);
    if (!found) {
      const row = specRow.get(key) as SpecRow;
      const { owner, endpoint, endpointName } = row;
      const functionName = row.functionName ?? row.function.slice(0, 12);
      found = { owner, group: row.grp, functionName, endpoint, endpointName, spec: JSON.parse(row.text) as CallSpec };
      specs.set(key, found);
    }
    return found;
  }

  function name(key: number | null): string | null {
    if (key === null) return null;
    let text = names.get(key);
    if (text === undefined) {
      text = (nameRow.get(key) as { text: string }).text;
      names.set(key, text);
    }
    return text;
  }

  function view(row: TaskRow): TaskView {
    const { owner, group, functionName, endpoint, endpointName, spec: call } = spec(row.spec);
    const form = row.result_form;
    const blob = form !== null && placeOf(form) === PLACE.blob;
    return {
      id: idFromBytes(row.id),
      state: stateOf(row.state),
      owner,
      function: call.function,
      functionName,
      endpoint,
      endpointName,
      group,
      priority: call.priority ?? 0,
      spec: call,
      attempt: row.attempt,
      handOuts: row.lease,
      submittedAt: row.submitted_at,
      startedAt: row.started_at,
      endedAt: row.ended_at,
      expiresAt: row.expires_at,
      retryAt: stateOf(row.state) === "waiting" ? row.retry_at : null,
      retryOf: row.retry_of && idFromBytes(row.retry_of),
      block: name(row.block),
      worker: name(row.worker),
      failure: row.failure === null ? null : (JSON.parse(row.failure) as TaskFailure),
      resultEncoding: form === null ? null : encodingOf(form),
      resultSize: row.result_size,
      resultBlob: blob ? Buffer.from(row.result_blob as Uint8Array).toString("hex") : null,
    };
  }

  return { spec, name, view };
}

type SpecRow = {
  owner: string;
  grp: string | null;
  endpoint: string;
  endpointName: string;
  text: string;
  function: string;
  functionName: string | null;
};
