import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { runAtTerminal, type Typed } from "../support/at-terminal.ts";
import { processesUnder } from "../support/processes.ts";
import { ROOT } from "../support/repository.ts";
import { waitFor } from "../support/wait-for.ts";

const EXAMPLE = join(ROOT, "examples", "blue-waters-day", "main.ts");
const LONGEST_MS = 240_000;
const CTRL_C = "\x03";
/** What a person does: looks at the token, types its number. It shows another one for each login. */
const passcode: Typed = {
  at: "PASSCODE: ",
  type: (screen) =>
    `${screen
      .match(/shows \d{6}/g)
      ?.at(-1)
      ?.slice(-6)}\r`,
};
const newHost: Typed = { at: "Type yes, no or the fingerprint: ", type: "yes\r" };
const hasMpi = existsSync("/usr/bin/mpicc.mpich");

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-day-test-"));
  for (const name of ["home", "tmp"]) mkdirSync(join(dir, name));
});
afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

async function environment(): Promise<NodeJS.ProcessEnv> {
  const { PATH } = process.env;
  const natsServer = (await ensureNatsServer()).path;
  const own = { HOME: join(dir, "home"), TMPDIR: join(dir, "tmp"), XDG_CACHE_HOME: join(dir, "cache") };
  return { PATH, ...own, FARCALL_NATS_SERVER: natsServer };
}

const atTerminal = async (typed: readonly Typed[], args: readonly string[] = []) =>
  runAtTerminal([process.execPath, EXAMPLE, "--ranks-per-node", "4", ...args], {
    env: await environment(),
    cwd: dir,
    timeoutMs: LONGEST_MS - 20_000,
    typed,
  });

async function expectNothingLeft(): Promise<void> {
  await waitFor(() => processesUnder(dir).length === 0, { what: "the end of all that was started" });
  expect(readdirSync(join(dir, "tmp"))).toEqual([]);
  expect(readdirSync(join(dir, "home"))).toEqual([]);
}

function expectWork(screen: string): void {
  expect(screen).toContain("Python: pi is 3.1415926536, from 8 tasks of 8 cores");
  const ran = [...screen.matchAll(/slice \d ran on (nid0000[12]), in block (\S+), worker python-\d/g)];
  expect(ran).toHaveLength(8);
  expect(new Set(ran.map((match) => match[2])).size).toBe(1);
  expect(screen).toMatch(/Shell: 32 cores of nid0000[12] under Linux/);
  expect(screen).toMatch(
    hasMpi
      ? /MPI: 3\.1415926536 from 8 ranks on 2 nodes, in block \S+, placed by aprun -n 8 -N 4 -d 8/
      : /Ranks without it: 4 nid00001 4 nid00002/,
  );

  expect(screen).toMatch(/blue-waters: no block is left.*blue-waters-mpi: no block is left/s);
  for (const job of [1, 2])
    expect(screen).toContain(`job ${job}.vm had nodes=2:ppn=32:xe, on nid00001 and nid00002; it is done`);
}

describe("a day at a stand-in for Blue Waters", { timeout: LONGEST_MS }, () => {
  it("deploys with one-time passwords, works on two nodes with Python, a shell and MPI, scales to zero, and removes all", async () => {
    const { code, screen } = await atTerminal([newHost, passcode, passcode, passcode, passcode]);
    expect(code, screen).toBe(0);
    expect(screen).toContain("A day at a STAND-IN for Blue Waters");
    expect(screen).toMatch(/endpoint blue-waters is online.*endpoint blue-waters-mpi is online/s);
    // What was typed is not to be seen: each number only where the token shows it.
    for (const shown of screen.matchAll(/token shows (\d{6})/g))
      expect(screen.split(shown[1] as string)).toHaveLength(2);

    expectWork(screen);
    expect(screen).toMatch(/blue-waters-mpi is removed.*blue-waters is removed.*Nothing is left there/s);
    await expectNothingLeft();
  });

  it("does so too with agents here, which install nothing there: each logs in once, with a passcode", async () => {
    const { code, screen } = await atTerminal([newHost, passcode, passcode], ["--agents-here"]);
    expect(code, screen).toBe(0);
    expect(screen).not.toContain("agent sent");
    expect(screen.match(/logged in as me@h2ologin\.stand-in/g)).toHaveLength(2);
    expectWork(screen);
    expect(screen).toMatch(/blue-waters-mpi is deleted.*blue-waters is deleted.*Nothing is left there/s);
    await expectNothingLeft();
  });

  it("leaves nothing after a Ctrl-C at the prompt for the passcode", async () => {
    const { code, screen } = await atTerminal([newHost, { at: "PASSCODE: ", type: CTRL_C }]);
    expect(code, screen).toBe(130);
    expect(screen).toContain("interrupted");
    await expectNothingLeft();
  });

  it.each([[[]], [["--agents-here"]]])("leaves nothing after a Ctrl-C while a block runs %j", async (args) => {
    const { code, screen } = await atTerminal([newHost, passcode, passcode, { at: "is running", type: CTRL_C }], args);
    expect(code, screen).toBe(130);
    await expectNothingLeft();
  });

  it("says that it needs a terminal where there is none", async () => {
    const { status, stderr } = spawnSync(process.execPath, [EXAMPLE], { env: await environment(), encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toContain("asked for at a terminal");
    await expectNothingLeft();
  });
});
