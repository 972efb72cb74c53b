import { copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { growWal } from "../../../gateway/store/sqlite/writer/wal-room.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

const WANTED_BYTES = 2.5 * 1024 * 1024;

describe("room in the write-ahead log", () => {
  it("N3: what was committed before and while the log was grown is there after a crash", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-wal-"));
    dirs.push(dir);
    const file = join(dir, "test.db");
    const db = new DatabaseSync(file);
    db.exec("pragma journal_mode = wal; pragma synchronous = full; create table t (n integer primary key)");
    const insert = db.prepare("insert into t values (?)");
    const size = () => statSync(`${file}-wal`).size;
    insert.run(1);

    const room = growWal(`${file}-wal`, WANTED_BYTES);
    let n = 1;
    for (const end = Date.now() + 10_000; size() < WANTED_BYTES && Date.now() < end; await sleep(5)) insert.run(++n);
    expect(size()).toBe(WANTED_BYTES);
    insert.run(++n);
    room.stop();

    // What a process leaves behind that is killed now.
    const copy = join(dir, "copy.db");
    for (const suffix of ["", "-wal"]) copyFileSync(`${file}${suffix}`, `${copy}${suffix}`);
    db.close();
    const after = new DatabaseSync(copy);
    expect(after.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
    expect(after.prepare("select count(*) as count from t").get()).toEqual({ count: n });
    after.close();
  });

  it("a log that is not there is not made", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-wal-"));
    dirs.push(dir);
    const room = growWal(join(dir, "none-wal"), WANTED_BYTES);
    await sleep(1_100);
    room.stop();
    expect(statSync(join(dir, "none-wal"), { throwIfNoEntry: false })).toBeUndefined();
  });
});
