/** All reads over one connection. */
import type { DatabaseSync } from "node:sqlite";
import { createRegisteredReads } from "./registered.ts";
import { createRows } from "./rows.ts";
import { createTaskReads } from "./tasks.ts";

/** Composes the reads. */
export function createReads(db: DatabaseSync) {
  const rows = createRows(db);
  const tasks = createTaskReads(db, rows);
  return { ...tasks.ops, ...createRegisteredReads(db) };
}

export type Reads = ReturnType<typeof createReads>;
export type ReadName = keyof Reads;
export type ReadInput<N extends ReadName> = Parameters<Reads[N]>[0];
export type ReadOutput<N extends ReadName> = ReturnType<Reads[N]>;
