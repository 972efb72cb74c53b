/** All reads over one connection. */
import type { DatabaseSync } from "node:sqlite";
import { createEventReads } from "./events.ts";
import { createListReads } from "./lists.ts";
import { createRegisteredReads } from "./registered.ts";
import { createRows } from "./rows.ts";
import { createTaskReads } from "./tasks.ts";

/** Composes the reads. */
export function createReads(db: DatabaseSync) {
  const rows = createRows(db);
  const tasks = createTaskReads(db, rows);
  return {
    ...tasks.ops,
    ...createListReads(db, rows).ops,
    ...createEventReads(db, { rows, tasks }).ops,
    ...createRegisteredReads(db),
  };
}

export type Reads = ReturnType<typeof createReads>;
export type ReadName = keyof Reads;
export type ReadInput<N extends ReadName> = Parameters<Reads[N]>[0];
export type ReadOutput<N extends ReadName> = Awaited<ReturnType<Reads[N]>>;
