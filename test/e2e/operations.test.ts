import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { ROOT, read } from "../support/repository.ts";
import { startStack } from "../support/stack.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-operations-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

/** The shell lines under a heading of docs/operations.md, as they stand there. */
function linesUnder(heading: string): string {
  const section = read("docs/operations.md").split(`## ${heading}\n`)[1] ?? "";
  return /^```sh\n([\s\S]*?)^```/m.exec(section)?.[1] ?? "";
}

/** Runs them with the directories of this test; what they print. */
function follow(heading: string): string {
  const lines = linesUnder(heading).replace(/^STATE=.*\n/, "");
  expect(lines).not.toBe("");
  const env = {
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    HOME: dir,
    STATE: join(dir, "state"),
    BACKUP: join(dir, "backup"),
  };
  return execFileSync("bash", ["-eu", "-c", lines], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  }).toString();
}

describe("docs/operations.md", () => {
  it("says how to back up a gateway that runs, and how to restore it", async () => {
    const state = join(dir, "state");
    const large = "x".repeat(400_000);
    let kept: string;
    {
      await using stack = await startStack({ dir: state });
      await using farcall = new Farcall({ url: stack.url, token: stack.token, endpoint: "laptop" });
      const same = farcall.function((text: string) => text, { name: "same" });
      const before = same.submit(large);
      expect(await before).toBe(large);
      kept = before.id;
      follow("Backup");
      const after = same.submit("later");
      await after;
    }
    expect(existsSync(join(dir, "backup", "farcall.db"))).toBe(true);
    expect(statSync(join(dir, "backup")).mode & 0o777).toBe(0o700);
    // as after the loss of the disk
    for (const name of ["farcall.db", "blobs"]) rmSync(join(state, "gateway", name), { recursive: true, force: true });
    follow("Restore");

    await using stack = await startStack({ dir: state });
    await using farcall = new Farcall({ url: stack.url, token: stack.token, endpoint: "laptop" });
    const { items } = await farcall.call("listTasks", { query: {} });
    expect(items.map(({ id }) => id)).toEqual([kept]);
    const result = await farcall.call("taskResult", { params: { task: kept } });
    expect(result).toMatchObject({ state: "succeeded", blob: { size: expect.any(Number) } });
    expect(await farcall.function((x: number) => x + 1, { name: "next" })(1)).toBe(2);
  }, 120_000);

  it("says how to make a token, which can then do what it is for", async () => {
    const state = join(dir, ".local", "state", "farcall");
    await using stack = await startStack({ dir: state });
    mkdirSync(join(dir, ".config", "farcall"), { recursive: true });
    writeFileSync(join(dir, ".config", "farcall", "profile.json"), JSON.stringify({ url: stack.url }));
    const { token, view } = JSON.parse(follow("Tokens"));
    expect(view.scopes).toEqual(["invoke"]);
    await using farcall = new Farcall({ url: stack.url, token, endpoint: "laptop" });
    expect(await farcall.function((x: number) => x + 1, { name: "next" })(1)).toBe(2);
  }, 60_000);
});
