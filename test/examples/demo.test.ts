import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { directoriesOf } from "../../deploy/directories.ts";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { ROOT } from "../support/repository.ts";

const DEMO = join(ROOT, "examples", "demo", "main.ts");
const LONGEST_MS = 120_000;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-demo-test-"));
  for (const name of ["home", "tmp"]) mkdirSync(join(dir, name));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Starts the demo with a home and a temporary directory of its own. */
async function startDemo(args: readonly string[]) {
  const child = spawn(process.execPath, [DEMO, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: join(dir, "home"),
      TMPDIR: join(dir, "tmp"),
      FARCALL_NATS_SERVER: (await ensureNatsServer()).path,
      XDG_CACHE_HOME: join(directoriesOf(process.env).cache, ".."),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const code = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { child, output, code };
}

/** The ids of processes that work in this test's directory or name it. */
function processesOf(path: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return (
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(path) || readlinkSync(`/proc/${pid}/cwd`).includes(path)
      );
    } catch {
      // it has ended meanwhile
      return false;
    }
  });
}

async function expectNothingLeft(): Promise<void> {
  // a child that was killed is gone once its parent has seen it
  for (let tries = 0; processesOf(dir).length > 0 && tries < 50; tries++) await sleep(100);
  expect(processesOf(dir)).toEqual([]);
  expect(readdirSync(join(dir, "tmp"))).toEqual([]);
  expect(readdirSync(join(dir, "home"))).toEqual([]);
}

describe("the demo", () => {
  it(
    "runs its three jobs, finds them right, and leaves nothing",
    async () => {
      const { output, code } = await startDemo(["--json"]);
      expect(await code, output.stderr).toBe(0);
      const { ok, jobs } = JSON.parse(output.stdout) as { ok: boolean; jobs: Record<string, unknown>[] };
      expect(ok).toBe(true);
      expect(jobs).toMatchObject([
        { job: "word-count", tasks: 122, ok: true, result: { files: 20, words: 346_201 } },
        { job: "pi", tasks: 200, ok: true },
        { job: "pipeline", tasks: 20, ok: true, result: { words: 346_201 } },
      ]);
      for (const job of jobs) expect(job.seconds).toBeGreaterThan(0);
      await expectNothingLeft();
    },
    LONGEST_MS,
  );

  it(
    "leaves nothing when it is interrupted",
    async () => {
      const { child, output, code } = await startDemo([]);
      await new Promise<void>((resolve) => {
        child.stdout.on("data", () => {
          if (output.stdout.includes("gateway at")) resolve();
        });
      });
      child.kill("SIGINT");
      expect(await code).not.toBe(0);
      await expectNothingLeft();
    },
    LONGEST_MS,
  );
});
