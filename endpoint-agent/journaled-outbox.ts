/** The outbox over the journal: what is on disk, also of an earlier run, stays there until the gateway has committed it. */
import type { ErrorBody } from "../protocol/errors.ts";
import { crashPoint } from "./crash-point.ts";
import type { GatewayWire } from "./gateway-wire.ts";
import { adoptedTask, type TaskTable } from "./held-task.ts";
import type { Journal } from "./journal.ts";
import { createOutbox, type Outbox } from "./outbox.ts";

export type JournaledOutboxParts = {
  epoch: number;
  wire: Pick<GatewayWire, "results">;
  journal: Journal;
  /** a lease stays in it until its end is committed */
  table: TaskTable;
  onRefused(error: ErrorBody): void;
};

/** Makes the outbox of an epoch, with the results that the journal holds in it. */
export function createJournaledOutbox({ epoch, wire, journal, table, onRefused }: JournaledOutboxParts): Outbox {
  const outbox = createOutbox({
    epoch,
    send: wire.results,
    async journal(results) {
      await journal.append(results.map(({ entry, bytes }) => ({ kind: "result", entry, bytes })));
      crashPoint("results-journaled");
    },
    forget: (results) =>
      journal.note(results.map(({ entry }) => ({ kind: "result-taken", id: entry.id, lease: entry.lease }))),
    onCommitted(results) {
      crashPoint("results-committed");
      for (const { entry } of results) {
        const task = table.match(entry.id, entry.lease);
        if (task) table.remove(task);
      }
    },
    onRefused,
  });
  for (const { entry, bytes } of journal.state.results.values()) {
    table.add(adoptedTask([entry.id, entry.lease], undefined));
    outbox.addJournaled(entry, bytes);
  }
  return outbox;
}
