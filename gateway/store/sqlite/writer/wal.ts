/** Keeps the write-ahead log small (PROTOCOL.md rule 24): with readers coming and going it is never reused by itself. */
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

/** Commits between two looks. */
const LOOK_EVERY = 16;
/** From this size on the log is begun anew, which waits for the readers of now; reads are cut into windows of some 10 ms. */
const RESTART_BYTES = 24 * 1024 * 1024;
/** From this size on its space is given back too. */
const TRUNCATE_BYTES = 48 * 1024 * 1024;
const WAIT_MS = 250;

export type Wal = {
  /** To be called between transactions. */
  tend(): void;
};

/** Tends the log of `file`. */
export function createWal(db: DatabaseSync, file: string): Wal {
  let calls = 0;
  // The file keeps its size when the log begins anew, so it is only worth a second try after some more commits.
  let restartedAt = 0;
  return {
    tend() {
      if (++calls % LOOK_EVERY !== 0) return;
      const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
      if (bytes < RESTART_BYTES || bytes === restartedAt) return;
      db.exec(`pragma busy_timeout = ${WAIT_MS}`);
      db.exec(`pragma wal_checkpoint(${bytes < TRUNCATE_BYTES ? "restart" : "truncate"})`);
      db.exec("pragma busy_timeout = 5000");
      restartedAt = bytes < TRUNCATE_BYTES ? bytes : 0;
    },
  };
}
