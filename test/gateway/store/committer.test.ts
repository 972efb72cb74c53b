/** What memory says is believed only as far as the database kept it. */
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { Base } from "../../../gateway/store/sqlite/writer/base.ts";
import { type AnyOperations, createCommitter } from "../../../gateway/store/sqlite/writer/committer.ts";

describe("the writer", () => {
  it("does not go on with a memory that is ahead of the database: it reads it again, as often as that takes", () => {
    const db = new DatabaseSync(":memory:");
    db.exec("create table numbers(n int)");
    const world = { memory: 0, broken: false, unreadable: false, loads: 0 };
    const base = {
      db,
      now: 0,
      flush() {
        if (world.broken) throw new Error("the disk is gone");
      },
      load() {
        world.loads++;
        if (world.unreadable) throw new Error("the disk cannot be read");
        world.memory = (db.prepare("select count(*) as n from numbers").get() as { n: number }).n;
      },
    } as unknown as Base;
    const operations: AnyOperations = {
      add() {
        db.exec("insert into numbers values(1)");
        return ++world.memory;
      },
      waiting: () => world.memory,
    };
    const disk = { freeBallast: () => false } as never;
    const committer = createCommitter(base, { operations, disk });
    const call = (op: string) => committer.run([{ n: 1, op, now: 0, input: null }])[0];

    expect(call("add")?.value).toBe(1);
    world.broken = true;
    world.unreadable = true;
    expect(call("add")?.error).toBeDefined();
    // Also what only looks at memory would tell of what was never kept.
    expect(call("waiting")?.error).toBeDefined();
    world.broken = false;
    world.unreadable = false;
    expect(call("waiting")?.value).toBe(1);
    expect(call("add")?.value).toBe(2);
    const { loads } = world;
    expect(call("waiting")?.value).toBe(2);
    expect(world.loads).toBe(loads);
    db.close();
  });
});
