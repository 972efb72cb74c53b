import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Store, StoreLimits } from "../../../gateway/store/port.ts";
import { openForWriting } from "../../../gateway/store/sqlite/connection.ts";
import { openSqliteStore } from "../../../gateway/store/sqlite/open.ts";
import { createWorld, type OpenStore } from "./conformance/world.ts";

const open: OpenStore = ({ dir, limits, now }) =>
  openSqliteStore({ file: join(dir, "farcall.db"), durability: "disk", limits, now, ballastBytes: 0 });
const roomy = { tasks: 1e6, bytes: 1e12 };
const LIMITS: StoreLimits = { perOwner: roomy, perEndpoint: roomy, retentionMs: 1e9, minFreeBytes: 0 };
const reopen = (file: string): Promise<Store> =>
  openSqliteStore({ file, durability: "disk", limits: LIMITS, ballastBytes: 0 });
const script = (name: string) => join(import.meta.dirname, "support", name);

function newDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), "farcall-sqlite-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe("sqlite store: damage", () => {
  it("N10: flipped bits are found at the start, and nothing is overwritten", async () => {
    const world = await createWorld(open);
    for (let i = 0; i < 5; i++)
      await world.submit({ tasks: Array.from({ length: 200 }, () => ({ args: "x".repeat(500) })) });
    await world.store.close();
    const file = join(world.dir, "farcall.db");
    const image = readFileSync(file);
    // The header of every tenth page after the first: what a bad sector leaves.
    for (let page = 10 * 4096; page < image.length; page += 10 * 4096) image.fill(0xa5, page, page + 64);
    writeFileSync(file, image);
    await expect(reopen(file)).rejects.toMatchObject({ code: "STORE_CORRUPT", details: { file } });
    expect(readFileSync(file).equals(image)).toBe(true);
  });

  it.each([
    ["something else", Buffer.from("this is not a database, but somebody's notes. ".repeat(200))],
    ["one cut short", null],
  ])("N10: a file that is %s is refused and left alone", async (_, content) => {
    const world = await createWorld(open);
    await world.submit({ tasks: Array.from({ length: 500 }, () => ({ args: "x".repeat(500) })) });
    await world.store.close();
    const file = join(world.dir, "farcall.db");
    writeFileSync(file, content ?? readFileSync(file).subarray(0, 50_000));
    const image = readFileSync(file);
    await expect(reopen(file)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(readFileSync(file).equals(image)).toBe(true);
  });

  it("a database of a newer version is refused and left alone", async () => {
    const world = await createWorld(open);
    await world.store.close();
    const file = join(world.dir, "farcall.db");
    const db = new DatabaseSync(file);
    db.exec("pragma user_version = 1000");
    db.close();
    await expect(reopen(file)).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("newer"),
    });
  });
});

describe("sqlite store: disk", () => {
  const mount = mounter();

  it.skipIf(!mount)(
    "N4: rule 27: on a full disk the ballast lets results and cancels land, and it recovers by itself",
    () => {
      const { before, during, after, ...totals } = onSmallDisk("quite");
      expect(before).toMatchObject({ ballast: 4 * 1024 * 1024, full: false });
      expect(during).toEqual({
        submits: "STORAGE_FULL",
        again: "STORAGE_FULL",
        report: "ok",
        cancel: "ok",
        read: "succeeded",
        ballast: 0,
        full: true,
      });
      expect(after).toEqual({ submits: "ok", report: "ok", ballast: 4 * 1024 * 1024 });
      expect(totals).toEqual({ succeeded: 300, cancelled: 100 });
    },
  );

  it.skipIf(!mount)("rule 27: submits stop before the disk is full, and go on when there is space again", () => {
    const { during, after, ...totals } = onSmallDisk("nearly");
    expect(during).toMatchObject({
      submits: "STORAGE_FULL",
      again: "STORAGE_FULL",
      report: "ok",
      cancel: "ok",
      full: true,
    });
    expect(during).toMatchObject({ ballast: 4 * 1024 * 1024 });
    expect(after).toMatchObject({ submits: "ok", report: "ok" });
    expect(totals).toMatchObject({ succeeded: 300, cancelled: 100 });
  });

  function onSmallDisk(how: "nearly" | "quite") {
    const dir = newDirectory();
    const shell = 'mount -t tmpfs -o size=32m tmpfs "$0" && exec "$1" "$2" "$0" "$3"';
    const args = [...(mount as string[]), "sh", "-c", shell, dir, process.execPath, script("full-disk.ts"), how];
    const { stdout, stderr, status } = spawnSync("unshare", args, { encoding: "utf8", timeout: 60_000 });
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout) as Record<string, Record<string, unknown>>;
  }

  it("I1: G1: what was acknowledged is there after a kill -9 at any moment", async () => {
    const file = join(newDirectory(), "farcall.db");
    for (let round = 0; round < 3; round++) {
      const { submitted, finished } = await killedWhileSubmitting(file, 15 + round * 7);
      const store = await reopen(file);
      for (const id of submitted) expect(await store.getTask(id, null), id).toBeDefined();
      for (const id of finished) expect(await store.getTask(id, null)).toMatchObject({ state: "succeeded" });
      const { byState } = await store.stats();
      const { items } = await store.listTasks({ owner: null, states: ["queued"], order: "oldest", limit: 1000 });
      expect(byState.queued).toBe(items.length);
      await store.close();
      rmSync(file);
    }
  });

  it("disk durability asks for an fsync at each commit, fast does not", () => {
    const dir = newDirectory();
    for (const [durability, level] of [
      ["disk", 2],
      ["fast", 1],
    ] as const) {
      const db = openForWriting(join(dir, durability), durability);
      expect(db.prepare("pragma synchronous").get()).toEqual({ synchronous: level });
      expect(db.prepare("pragma journal_mode").get()).toEqual({ journal_mode: "wal" });
      db.close();
    }
  });
});

/** How this machine lets a test mount a file system in a namespace of its own; undefined when it does not. */
function mounter(): string[] | undefined {
  return [["-m"], ["-Urm"]].find(
    (flags) => spawnSync("unshare", [...flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0,
  );
}

async function killedWhileSubmitting(
  file: string,
  lines: number,
): Promise<{ submitted: string[]; finished: string[] }> {
  const child = spawn(process.execPath, [script("submit-forever.ts"), file], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const seen = { submitted: [] as string[], finished: [] as string[] };
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, ...ids] = line.trimEnd().split(" ");
    seen[what as "submitted" | "finished"].push(...ids);
    if (++count === lines) child.kill("SIGKILL");
  }
  expect(seen.submitted.length).toBeGreaterThan(0);
  return seen;
}
