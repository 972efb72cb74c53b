import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqliteStore } from "../../../gateway/store/sqlite/open.ts";
import { createWorld, type OpenStore, OWNER } from "./conformance/world.ts";

const open: OpenStore = ({ dir, limits, now }) =>
  openSqliteStore({ file: join(dir, "farcall.db"), durability: "disk", limits, now, ballastBytes: 0 });

const token = (id: string) => ({
  id,
  hash: id,
  owner: OWNER,
  name: id,
  scopes: [],
  endpoint: null,
  createdAt: 0,
  expiresAt: null,
});

describe("sqlite store: threads", () => {
  it("rule 23: calls that wait are grouped into one commit", async () => {
    const world = await createWorld(open);
    const before = await world.store.stats();
    await Promise.all(Array.from({ length: 100 }, () => world.submit({ tasks: [{}] })));
    const { commits, callsPerCommit } = await world.store.stats();
    expect(commits - before.commits).toBeLessThan(50);
    expect(callsPerCommit).toBeGreaterThan(1);
  });

  it("rule 23: a call that is refused, or fails, undoes nothing of those it shares a commit with", async () => {
    const world = await createWorld(open, { perOwner: { tasks: 60, bytes: 1e9 } });
    await world.store.putToken(token("taken"));
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      calls.push(world.submit({ tasks: [{}, {}] }));
      calls.push(world.submit({ tasks: Array.from({ length: 100 }, () => ({})) }));
      calls.push(world.store.audit({ actor: "a", action: "b", target: String(i), outcome: "ok" }));
    }
    // A second row of that id is an error of the database itself: all that went before it in its transaction is rolled back.
    calls.push(world.store.putToken(token("taken")));
    const settled = await Promise.allSettled(calls);
    const codes = settled.map((result) => (result.status === "fulfilled" ? "ok" : result.reason.code));
    expect(codes).toEqual([...Array.from({ length: 20 }, () => ["ok", "QUEUE_FULL", "ok"]).flat(), "INTERNAL"]);
    expect((await world.store.stats()).byState).toMatchObject({ queued: 40 });
    expect((await world.store.listTasks({ owner: OWNER, order: "newest", limit: 100 })).items).toHaveLength(40);
    expect((await world.store.listAudit({ limit: 100 })).items).toHaveLength(20);
    await expect(world.submit({ tasks: Array.from({ length: 21 }, () => ({})) })).rejects.toMatchObject({
      code: "QUEUE_FULL",
    });
    expect(await world.pop()).toHaveLength(40);
  });

  it("rule 23: commits and other reads do not wait for a list that looks through everything", async () => {
    const world = await createWorld(open);
    const [first] = (await world.submit({ tasks: [{}] })).ids as [string];
    await world.store.cancel({ owner: OWNER, ids: [first] });
    for (let i = 0; i < 60; i++) await world.submit({ tasks: Array.from({ length: 1000 }, () => ({})) });
    const query = { owner: OWNER, states: ["cancelled" as const], order: "newest" as const, limit: 10 };
    const order: string[] = [];
    // Twenty looks through 60,000 rows each: far more than one commit takes, however busy the machine is.
    const lists = Array.from({ length: 20 }, () => world.store.listTasks(query).then(() => order.push("list")));
    await Promise.all([
      ...lists,
      world.submit({ tasks: [{}] }).then(() => order.push("submit")),
      world.store.getTask(first, OWNER).then(() => order.push("read")),
    ]);
    expect(order).toHaveLength(22);
    expect(order.at(-1)).toBe("list");
    expect(order.indexOf("read")).toBeLessThan(order.indexOf("list"));
  });

  it("rule 24: the WAL that a long reader made grow shrinks when it is gone, and is empty after the end", async () => {
    const world = await createWorld(open);
    const file = join(world.dir, "farcall.db");
    const walBytes = async () => (await world.store.stats()).walBytes;
    const write = (count: number) =>
      world.submit({ tasks: Array.from({ length: count }, () => ({ args: "x".repeat(1000) })) });
    const reader = new DatabaseSync(file, { readOnly: true });
    reader.exec("begin; select count(*) from tasks");
    while ((await walBytes()) < 56 * 1024 * 1024) await write(1000);
    reader.exec("commit");
    reader.close();
    for (let i = 0; i < 40; i++) await write(1);
    expect(await walBytes()).toBeLessThan(8 * 1024 * 1024);
    await world.store.close();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });

  it("rule 24: what is interned goes when nothing uses it, also what was never used", async () => {
    const world = await createWorld(open);
    const old = world.newId();
    world.clock.ms += 15 * 86_400_000;
    const refused = await world.submit({ specs: [{ group: "g", timeoutMs: 7 }], tasks: [{ id: old }] });
    expect(refused.rejected).toMatchObject([{ code: "GONE" }]);
    const { ids } = await world.submit({ tasks: [{}] });
    await world.store.retain(10);
    await world.store.close();
    const db = new DatabaseSync(join(world.dir, "farcall.db"), { readOnly: true });
    const texts = db.prepare("select text from specs").all() as { text: string }[];
    expect(texts).toHaveLength(1);
    expect(texts[0]?.text).not.toContain("timeoutMs");
    expect(db.prepare("select count(*) as n from groups").get()).toEqual({ n: 0 });
    db.close();
    await world.reopen();
    expect(await world.state(ids[0] as string)).toBe("queued");
  });

  it("a store whose thread has ended says so", async () => {
    const world = await createWorld(open);
    await world.store.close();
    await expect(world.store.stats()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(world.submit({ tasks: [{}] })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(world.store.listTokens()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
