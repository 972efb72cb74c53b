import { appendFileSync, closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { boundLog } from "../../deploy/log-file.ts";

let dir: string;
let log: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-log-"));
  log = join(dir, "part.log");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it("a log that is too large is kept once beside itself, and a process that appends goes on in it", () => {
  const running = openSync(log, "a");
  writeSync(running, "old ".repeat(30));
  boundLog(log, 100);
  writeSync(running, "new");
  closeSync(running);
  expect(readFileSync(log, "utf8")).toBe("new");
  expect(readFileSync(`${log}.1`, "utf8")).toBe("old ".repeat(30));
});

it("a small log, or none, is left as it is", () => {
  boundLog(log, 100);
  appendFileSync(log, "little");
  boundLog(log, 100);
  expect(readFileSync(log, "utf8")).toBe("little");
});
