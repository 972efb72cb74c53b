import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { withInstallLock } from "../../../deploy/ssh/site/install-lock.ts";

describe("the lock of an installation at a site", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-lock-"));
  });
  beforeEach(() => rmSync(join(dir, ".install-lock"), { recursive: true, force: true }));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const never = new AbortController().signal;
  const withLock = <T>(work: () => Promise<T>, onWait = () => {}) =>
    withInstallLock(shell, { dir, signal: never, onWait, waitMs: 20 }, work);

  it("lets one in at a time, and leaves nothing", async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 30));
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(work)));
    expect(most).toBe(1);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is given back by work that fails", async () => {
    await expect(withLock(() => Promise.reject(new Error("disk is full")))).rejects.toThrow("disk is full");
    expect(await withLock(async () => "next")).toBe("next");
  });

  it("takes the place of a holder that has said nothing for long, and waits for one that has", async () => {
    const token = join(dir, ".install-lock", "of-another");
    mkdirSync(join(dir, ".install-lock"));
    writeFileSync(token, "");
    let waited = 0;
    const ended = withLock(
      async () => readdirSync(join(dir, ".install-lock")),
      () => {
        waited++;
        const longAgo = new Date(Date.now() - 10 * 60_000);
        utimesSync(token, longAgo, longAgo);
      },
    );
    expect(await ended).toEqual([expect.stringMatching(/^[0-9a-f]{18}$/)]);
    expect(waited).toBe(1);
  });

  it("takes a lock whose holder ended before it had said who it is", async () => {
    mkdirSync(join(dir, ".install-lock"));
    execFileSync("touch", ["-d", "1 hour ago", join(dir, ".install-lock")]);
    expect(await withLock(async () => "mine")).toBe("mine");
  });

  it("says what is wrong with a directory that cannot have one", async () => {
    const missing = withInstallLock(
      shell,
      { dir: join(dir, "missing"), signal: never, onWait() {}, waitMs: 20 },
      async () => {},
    );
    await expect(missing).rejects.toThrow(/SITE_UNFIT|missing/);
  });
});

/** Scripts as a site's shell runs them; no SSH is in it. */
const shell = {
  name: "me@site",
  async script(text: string) {
    const { status, stdout, stderr } = spawnSync("/bin/sh", [], { input: text, encoding: "utf8" });
    return { code: status, stdout, stderr };
  },
} as unknown as SshSession;
