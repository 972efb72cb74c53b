/** One SQLite commit of one small row, on disk when it returns: what every durable answer costs at least. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { median, sample } from "../measure/statistics.ts";

/** The median milliseconds of a commit in `dir`. */
export async function rawCommitMs(dir: string): Promise<number> {
  const database = new DatabaseSync(join(dir, "raw-commit.db"));
  try {
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)",
    );
    const insert = database.prepare("INSERT INTO t (b) VALUES (?)");
    const row = new Uint8Array(200);
    return median(await sample(() => insert.run(row), { count: 500, warmUp: 50 }));
  } finally {
    database.close();
  }
}
