/** Ends that the gateway decides: cancel, expiry, deletion of a function or endpoint; and retries that have become due. */
import type { TaskFailure } from "../../../../protocol/task.ts";
import type { Effects, TaskSelection } from "../../port.ts";
import { CODE, FIRST_TERMINAL } from "../states.ts";
import { existing } from "./agents.ts";
import { type Base, TRANSITION_COLUMNS, type TransitionRow, taskOf } from "./base.ts";
import type { Spec, Task } from "./model.ts";
import type { Selecting, SliceCursor } from "./selection.ts";
import type { Transitions } from "./transitions.ts";

/** What one slice did; `next` is where the following one begins, null after the last. */
export type SliceOutput = Effects & { ended: string[]; next: SliceCursor | null };
export type CancelOutput = SliceOutput & { alreadyFinished: number; notFound: number };

/** Prepares the operations. */
export function createEndings(
  base: Base,
  {
    transitions,
    selecting,
    credentials,
  }: { transitions: Transitions; selecting: Selecting; credentials: { revokeEndpoint(id: string): void } },
) {
  const { db, counts, events, interning } = base;
  const expired = db.prepare(
    `select ${TRANSITION_COLUMNS} from tasks indexed by tasks_open where state < 10 and expires_at <= ? order by expires_at limit ?`,
  );
  const due = db.prepare(
    `select ${TRANSITION_COLUMNS}, failure from tasks indexed by tasks_waiting
     where state = ${CODE.waiting} and retry_at <= ? order by retry_at limit ?`,
  );
  const requeue = db.prepare(`update tasks set state = ${CODE.queued}, retry_at = null where seq = ?`);
  const deleteFunction = db.prepare(
    "update functions set deleted_at = ? where id = ? and deleted_at is null and (? is null or owner = ?)",
  );
  const dropCode = db.prepare(
    `delete from codes where hash = (select code from functions where id = ?1 limit 1)
     and not exists(select 1 from functions where code = codes.hash and deleted_at is null)`,
  );
  const deleteEndpoint = db.prepare("update endpoints set deleted_at = ? where id = ?");

  /** Ends one unfinished task and notes who must hear of it. */
  function end(
    task: Task,
    state: "cancelled" | "expired" | "failed",
    context: { failure: TaskFailure; effects: Effects },
  ): void {
    const { failure, effects } = context;
    const { endpoint } = task.spec;
    if (endpoint.leases.has(task.id)) {
      effects.kills.push({ endpoint: endpoint.id, epoch: endpoint.epoch, lease: [task.id, task.lease] });
    }
    const sequence = transitions.end(task, state, { failure });
    effects.events.push(transitions.event(task, sequence, failure));
  }

  function cancelIds(ids: readonly string[], owner: string | null): CancelOutput {
    const output: CancelOutput = { ...noEffects(), ended: [], next: null, alreadyFinished: 0, notFound: 0 };
    for (const id of ids) {
      const task = selecting.task(id);
      if (!task || (owner !== null && task.spec.owner.name !== owner)) output.notFound++;
      else if (task.state >= FIRST_TERMINAL) output.alreadyFinished++;
      else {
        end(task, "cancelled", { failure: { code: "CANCELLED", message: "It was cancelled." }, effects: output });
        output.ended.push(id);
      }
    }
    return output;
  }

  function endSlice(
    from: SliceCursor | null,
    wanted: (spec: Spec) => boolean,
    how: { state: "cancelled" | "failed"; failure: TaskFailure; only?: (task: Task) => boolean },
  ): SliceOutput {
    const output: SliceOutput = { ...noEffects(), ended: [], next: null };
    const { tasks, next } = selecting.slice(wanted, from);
    for (const task of tasks) {
      if (how.only && !how.only(task)) continue;
      end(task, how.state, { failure: how.failure, effects: output });
      output.ended.push(task.id);
    }
    output.next = next;
    return output;
  }

  function cancelAtEndpoint(id: string, from: SliceCursor | null): SliceOutput {
    const failure: TaskFailure = { code: "CANCELLED", message: "Its endpoint was deleted." };
    return endSlice(from, (spec) => spec.endpoint.id === id, { state: "cancelled", failure });
  }

  function tickRetries(limit: number, effects: Effects): number {
    const queued = new Set<string>();
    const rows = due.all(base.now, limit) as (TransitionRow & { failure: string })[];
    for (const row of rows) {
      const task = taskOf(base, row);
      requeue.run(task.seq);
      counts.move(task.spec, CODE.waiting, CODE.queued, task.argsSize);
      task.state = CODE.queued;
      effects.events.push(transitions.event(task, events.append(task), JSON.parse(row.failure) as TaskFailure));
      queued.add(task.spec.endpoint.id);
    }
    effects.queued = [...queued];
    return rows.length;
  }

  function tickExpiry(limit: number, effects: Effects): number {
    const rows = expired.all(base.now, limit) as TransitionRow[];
    for (const row of rows) {
      const task = taskOf(base, row);
      const message = `It did not end within its time to live of ${task.spec.ttlMs} ms.`;
      end(task, "expired", { failure: { code: "EXPIRED", message }, effects });
    }
    return rows.length;
  }

  /** Goes on with deletions that a crash interrupted. */
  function tickDeletions(effects: Effects): boolean {
    for (const endpoint of base.endpoints.all()) {
      if (!endpoint.deleted || endpoint.tasks === 0) continue;
      const slice = cancelAtEndpoint(endpoint.id, null);
      effects.events.push(...slice.events);
      return true;
    }
    return false;
  }

  return {
    cancel({ selection, from }: { selection: TaskSelection; from: SliceCursor | null }): CancelOutput {
      if ("ids" in selection) return cancelIds(selection.ids, selection.owner);
      const failure: TaskFailure = { code: "CANCELLED", message: "It was cancelled." };
      const slice = endSlice(from, selecting.predicate(selection), { state: "cancelled", failure });
      return { ...slice, alreadyFinished: 0, notFound: 0 };
    },
    tick({ limit }: { limit: number }): Effects & { more: boolean } {
      const effects = noEffects();
      const retried = tickRetries(limit, effects);
      const ended = tickExpiry(limit, effects);
      const more = tickDeletions(effects);
      return { ...effects, more: more || retried === limit || ended === limit };
    },
    deleteFunction({ id, owner, from }: { id: string; owner: string | null; from: SliceCursor | null }) {
      const deleted = from === null && deleteFunction.run(base.now, id, owner, owner).changes > 0;
      if (deleted) {
        dropCode.run(id);
        interning.forgetFunctions();
      }
      if (from === null && !deleted) return { ...noEffects(), ended: [], next: null, deleted };
      const failure: TaskFailure = {
        code: "FUNCTION_GONE",
        message: `Function ${id} was deleted while the task waited.`,
      };
      const wanted = (spec: Spec) => spec.functionId === id && (owner === null || spec.owner.name === owner);
      const only = (task: Task) => task.state !== CODE.running;
      return { ...endSlice(from, wanted, { state: "failed", failure, only }), deleted: true };
    },
    deleteEndpoint({ endpoint: id, from }: { endpoint: string; from: SliceCursor | null }): SliceOutput {
      if (from === null) {
        const endpoint = existing(base.endpoints.byId(id), id);
        deleteEndpoint.run(base.now, id);
        credentials.revokeEndpoint(id);
        endpoint.deleted = true;
      }
      return cancelAtEndpoint(id, from);
    },
  };
}

function noEffects(): Effects {
  return { events: [], kills: [], queued: [] };
}
