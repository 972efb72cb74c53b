import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { makeOwnDirectory } from "../../../deploy/ssh/site/own-directory.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

describe("a directory at a site that programs are run from", () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "farcall-own-"));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it("is made for its owner alone, and may be there already, also as a link of one's own", async () => {
    const dir = join(base, "it's", "share");
    await makeOwnDirectory(shell, dir);
    chmodSync(dir, 0o777);
    symlinkSync(dir, join(base, "link"));
    await makeOwnDirectory(shell, join(base, "link"));
    expect(statSync(dir).mode & 0o777).toBe(0o700);
  });

  it("is refused where somebody else has made it", async () => {
    // Only root can make one that is another's; for anybody else the root directory is.
    const dir = isRoot ? join(base, "share") : "/";
    if (isRoot) {
      mkdirSync(dir);
      chownSync(dir, NOBODY, NOBODY);
    }
    await expect(makeOwnDirectory(shell, dir)).rejects.toThrow(/^me@site: .* is not a directory of your own$/);
  });

  // Only root can make a link that is another's.
  it.skipIf(!isRoot)("is refused where somebody else has made a link to one of ours", async () => {
    mkdirSync(join(base, "ours"), { mode: 0o755 });
    symlinkSync(join(base, "ours"), join(base, "share"));
    lchownSync(join(base, "share"), NOBODY, NOBODY);
    await expect(makeOwnDirectory(shell, join(base, "share"))).rejects.toThrow(/not a directory of your own/);
    expect(statSync(join(base, "ours")).mode & 0o777).toBe(0o755);
  });
});

/** Commands as a site runs them; no SSH is in it. */
const shell = {
  name: "me@site",
  async exec([file = "", ...args]: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
    return { code: status, stdout, stderr };
  },
} as unknown as SshSession;
