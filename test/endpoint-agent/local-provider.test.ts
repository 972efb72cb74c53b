import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { BLOCK_ENV } from "../../endpoint-agent/manager-config.ts";
import { startTimeOf } from "../../endpoint-agent/process-identity.ts";
import { findBlockProcesses, killBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { createLocalProvider } from "../../endpoint-agent/provider/local.ts";
import type { BlockRequest, Provider } from "../../endpoint-agent/provider/port.ts";
import { newTaskId, until } from "./support.ts";

const endpoint = `test-${newTaskId()}`;
const dirs: string[] = [];
afterEach(() => {
  killBlockProcesses(`${endpoint}/`);
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function request(name: string, script: string, nodes = 1): BlockRequest {
  const dir = mkdtempSync(join(tmpdir(), "farcall-block-"));
  dirs.push(dir);
  const file = join(dir, "manager.mjs");
  writeFileSync(file, script);
  const commands = Array.from({ length: nodes }, () => [process.execPath, file]);
  const logFiles = commands.map((_, node) => join(dir, `${node}.log`));
  return { name, nodes, walltimeMs: null, commands, launch: [], logFiles, env: { PATH: process.env.PATH ?? "" }, dir };
}

const SLEEP = "setInterval(() => {}, 1000)";
/** A worker in a session of its own, as one that user code started with setsid. */
const WITH_CHILD = `
  import { spawn } from "node:child_process";
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" }).unref();
  ${SLEEP};
`;

async function stateOf(provider: Provider, job: string) {
  return (await provider.status([job])).get(job);
}

describe("the local provider", () => {
  it("starts a block's managers in sessions of their own, and knows them again after its own restart", async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    const job = await provider.submit(request("a", SLEEP, 2));
    expect(findBlockProcesses(`${endpoint}/a/`).map(({ block }) => block)).toEqual([
      `${endpoint}/a/0`,
      `${endpoint}/a/1`,
    ]);
    const later = createLocalProvider({ endpoint, onExit: () => {} });
    expect(await stateOf(later, job)).toMatchObject({ state: "running" });
    expect(await later.find("a")).toBe(job);
    expect(await later.find("b")).toBeUndefined();
  });

  it("A6: a block of an agent in another container, whose processes cannot be seen, is unknown until it is certainly dead", async () => {
    let lost = false;
    const provider = createLocalProvider({ endpoint, onExit: () => {}, lost: () => lost });
    const elsewhere = "elsewhere:999999999@1:4026539999";
    expect(await stateOf(provider, elsewhere)).toBeUndefined();
    lost = true;
    expect(await stateOf(provider, elsewhere)).toMatchObject({ state: "gone" });
    // As it was written before it named the namespace.
    expect(await stateOf(provider, "elsewhere:999999999@1")).toMatchObject({ state: "gone" });
  });

  it("B1: says that a block is gone only when its last process is dead, and sees to that", async () => {
    let exits = 0;
    const provider = createLocalProvider({ endpoint, onExit: () => exits++ });
    const job = await provider.submit(request("a", WITH_CHILD));
    await until("its child runs", () => findBlockProcesses(`${endpoint}/a/`).length === 2);
    process.kill(Number(/:(\d+)@/.exec(job)?.[1]), "SIGKILL");
    await until("its exit was noticed", () => exits === 1);
    await until("it is gone", async () => (await stateOf(provider, job))?.state === "gone");
    expect(findBlockProcesses(`${endpoint}/a/`)).toEqual([]);
    expect((await stateOf(provider, job))?.reason).toBe("the manager was ended by SIGKILL");
  });

  it("B13: does not take another process with the same pid for its own", async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    expect(await stateOf(provider, `a:${process.pid}@${startTimeOf(process.pid)}`)).toMatchObject({ state: "running" });
    expect(await stateOf(provider, `a:${process.pid}@1`)).toMatchObject({ state: "gone" });
  });

  it("cancels with SIGTERM, and with SIGKILL when forced", async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    const polite = await provider.submit(request("a", SLEEP));
    const deaf = await provider.submit(
      request("b", `process.on("SIGTERM", () => {}); console.error("deaf"); ${SLEEP}`),
    );
    await until("both run", () => findBlockProcesses(`${endpoint}/`).length === 2);
    await provider.cancel([polite], { force: false });
    await until("the first is gone", async () => (await stateOf(provider, polite))?.state === "gone");
    expect((await stateOf(provider, deaf))?.state).toBe("running");
    await provider.cancel([deaf], { force: true });
    await until("the second is gone", async () => (await stateOf(provider, deaf))?.state === "gone");
  });

  it("says how a manager ended, in its own last words", async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    const job = await provider.submit(request("a", `console.error("the disk is full"); process.exit(3)`));
    await until("it is gone", async () => (await stateOf(provider, job))?.state === "gone");
    await until("its end is known", async () => (await stateOf(provider, job))?.reason !== "its manager has ended");
    expect((await stateOf(provider, job))?.reason).toBe("the manager ended with exit code 3: the disk is full");
  });

  it("rejects a submission of what cannot be started", async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    const impossible = { ...request("a", SLEEP), commands: [["/nowhere/node"]] };
    await expect(provider.submit(impossible)).rejects.toThrow(/ENOENT/);
  });

  it(`marks every process of a block with ${BLOCK_ENV}, so that none is missed`, async () => {
    const provider = createLocalProvider({ endpoint, onExit: () => {} });
    await provider.submit(request("a", WITH_CHILD));
    await until("its child runs", () => findBlockProcesses(`${endpoint}/a/`).length === 2);
    await until("none is left", () => killBlockProcesses(`${endpoint}/a/`) === 0);
    expect(findBlockProcesses(`${endpoint}/`)).toEqual([]);
  });
});
