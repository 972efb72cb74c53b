import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../support/repository.ts";
import { startStack, type TestStack } from "../support/stack.ts";

/** What each example prints, in full. */
const PRINTS: Record<string, RegExp> = {
  "quickstart.ts": /^144\n$/,
  "map.ts": /^669 primes up to 5,000\n$/,
  "module.ts": /^\[ \d+, \d+, \d+, \d+ \]\n0\.000 0\.707\n$/,
  "python.ts": /^\{ mean: 3\.875, median: 3\.5 \}\n$/,
  "command.ts": /^0 supercomputer\n\{.*stdout: '', stderr: 'no such thing\\n', exitCode: 3.*\}\n$/s,
  "retries.ts": /^try 3 succeeds\nTIMEOUT after 1 attempt: Raise timeoutMs, or make the work smaller\.\n$/,
  "group.ts": /^the cubes of 1 to 10 add up to 3025\n$/,
  "cancel.ts": /^CANCELLED\n$/,
};

let stack: TestStack;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "farcall-examples-"));
  stack = await startStack();
});
afterAll(async () => {
  await stack?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe("examples", () => {
  it("are each run by a test", () => {
    const files = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".ts"));
    expect(files.sort()).toEqual(Object.keys(PRINTS).sort());
  });

  it.each(Object.entries(PRINTS))("%s prints what it says", async (file, printed) => {
    const { code, stdout, stderr } = await runExample(file);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(printed);
  });
});

async function runExample(file: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(ROOT, "examples", file)], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      TMPDIR: dir,
      FARCALL_URL: stack.url,
      FARCALL_TOKEN: stack.token,
      XDG_CONFIG_HOME: dir,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, ...output };
}
