import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withLock } from "../../deploy/lock.ts";
import { identify, isAlive, isSameProcess } from "../../deploy/process-identity.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-lock-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it("a lock lets one in at a time", async () => {
  const path = join(dir, "lock");
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside--;
  };
  await Promise.all([withLock(path, work), withLock(path, work), withLock(path, work)]);
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

it("a lock is let go when the work throws", async () => {
  const path = join(dir, "lock");
  await expect(withLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await withLock(path, async () => 5)).toBe(5);
});

it("a lock whose holder died is passed over", async () => {
  const path = join(dir, "lock");
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  await writeFile(path, String(dead));
  expect(await withLock(path, async () => "in")).toBe("in");
});

it("a process id that was given to another process is not the same process", () => {
  const self = identify(process.pid);
  expect(self && isSameProcess(self)).toBe(true);
  expect(isSameProcess({ pid: process.pid, startTime: "1" })).toBe(false);
  expect(isAlive(spawnSync(process.execPath, ["-e", ""]).pid)).toBe(false);
});
