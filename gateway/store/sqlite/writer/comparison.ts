/** Whether a task that is offered is the one stored under its id (PROTOCOL.md rule 1). */
import type { ErrorCode } from "../../../../protocol/errors.ts";
import { idToBytes } from "../ids.ts";
import { PLACE, payloadKey, placeOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Offered } from "./submit-batch.ts";

/** Prepares the look-ups. */
export function createComparison({ db }: Base) {
  const select = db.prepare("select seq, spec, args_form, args_size, args, retry_of from tasks where id = ?");
  const one = db.prepare("select 1 from tasks where id = ?");
  const payload = db.prepare("select bytes from payloads where key = ?");

  function argumentsOf(row: Row): Uint8Array {
    if (placeOf(row.args_form) !== PLACE.table) return row.args ?? new Uint8Array(0);
    return (payload.get(payloadKey(row.seq, "arguments")) as { bytes: Uint8Array }).bytes;
  }

  return {
    exists: (id: Uint8Array): boolean => one.get(id) !== undefined,
    existing(ids: readonly string[]): Set<string> {
      return new Set(ids.filter((id) => one.get(idToBytes(id)) !== undefined));
    },
    /** Null when the stored task is the same; its owner is part of its spec, so another owner's task is another task. */
    mismatch(offered: Offered, id: string): { code: ErrorCode; message: string } | null {
      const row = select.get(offered.id) as Row;
      const same =
        row.spec === offered.spec.key &&
        row.args_form === offered.form &&
        row.args_size === offered.size &&
        equal(row.retry_of, offered.retryOf) &&
        equal(argumentsOf(row), offered.args);
      return same ? null : { code: "TASK_MISMATCH", message: `a task with the id ${id} exists with another content` };
    },
  };
}

type Row = {
  seq: number;
  spec: number;
  args_form: number;
  args_size: number;
  args: Uint8Array | null;
  retry_of: Uint8Array | null;
};

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a, b) === 0;
}
