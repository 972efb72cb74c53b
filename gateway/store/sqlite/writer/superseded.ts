/** What does not match a lease is kept as evidence, up to a bound (PROTOCOL.md rule 14). */
import type { Outcome } from "../../../../protocol/batch.ts";
import type { ReportMessage } from "../messages.ts";
import type { Base } from "./base.ts";

const MAX_ROWS = 10_000;

export type Superseded = { keep(message: ReportMessage, index: number, outcome: Outcome): void };

/** Prepares the table's statements. */
export function createSuperseded(base: Base): Superseded {
  const insert = base.db.prepare(
    "insert into superseded(at, endpoint, epoch, task, lease, outcome, failure) values(?, ?, ?, ?, ?, ?, ?)",
  );
  const trim = base.db.prepare("delete from superseded where key <= ?");
  return {
    keep({ endpoint, epoch, results }, index, outcome) {
      const failure = results.extras?.get(index)?.failure;
      const { lastInsertRowid } = insert.run(
        base.now,
        endpoint,
        epoch,
        String(results.ids[index]).slice(0, 64),
        results.leases[index] as number,
        outcome,
        failure ? JSON.stringify(failure).slice(0, 4096) : null,
      );
      if (Number(lastInsertRowid) % 100 === 0) trim.run(Number(lastInsertRowid) - MAX_ROWS);
    },
  };
}
