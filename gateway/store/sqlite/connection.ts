/** Opens SQLite the way Farcall needs it: checked before it is touched, WAL, fsync at each commit in `disk` durability. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ApiError } from "../../../protocol/errors.ts";

export type Durability = "disk" | "fast";

/** The WAL is moved into the database after this many 4 KB pages. */
const CHECKPOINT_PAGES = 4000;
/** What the WAL is long then: each page with the 24 bytes before it, after 32 at the start. */
export const WAL_BYTES = 32 + CHECKPOINT_PAGES * (4096 + 24);

/**
 * Opens the one connection that writes.
 * Throws STORE_CORRUPT when the integrity check fails; the file is only read until then.
 */
export function openForWriting(file: string, durability: Durability): DatabaseSync {
  if (existsSync(file)) checkIntegrity(file);
  const db = new DatabaseSync(file, { timeout: 5000 });
  db.exec(`
    pragma journal_mode = wal;
    pragma synchronous = ${durability === "disk" ? "full" : "normal"};
    pragma wal_autocheckpoint = ${CHECKPOINT_PAGES};
    pragma journal_size_limit = 67108864;
    pragma cache_size = -16384;
    pragma temp_store = memory;
  `);
  return db;
}

/** Opens a connection that cannot write. */
export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  db.exec("pragma query_only = 1; pragma cache_size = -8192; pragma temp_store = memory;");
  return db;
}

function checkIntegrity(file: string): void {
  let found: string;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
    const rows = db.prepare("pragma quick_check(3)").all() as { quick_check: string }[];
    found = rows.map((row) => row.quick_check).join("; ");
  } catch (cause) {
    found = (cause as Error).message;
  } finally {
    db?.close();
  }
  if (found !== "ok") {
    throw new ApiError("STORE_CORRUPT", `${file} does not pass its integrity check: ${found}`, { details: { file } });
  }
}
