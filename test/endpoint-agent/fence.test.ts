/** PROTOCOL.md rules 17 to 21: epochs, deadlines, and what is killed when. Whole stacks, real processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { programArgs } from "../../deploy/layout.ts";
import { EXIT_DO_NOT_RESTART } from "../../endpoint-agent/manager-config.ts";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

async function setUp(orphanTimeoutMs: number): Promise<{ stack: TestStack; farcall: Farcall; evidence: string }> {
  const stack = await startStack({
    endpoints: [{ name: "laptop", config: { orphanTimeoutMs, policy: { workersPerNode: 2 } } }],
  });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  cleanup.push(async () => {
    await farcall.close();
    await stack.stop();
    expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
  });
  return { stack, farcall, evidence: join(stack.dir, "evidence") };
}

/** Starts an agent of the endpoint from its own copy of the directory, as if that had been copied to another machine. */
async function startCopy(stack: TestStack, name: string) {
  const dir = join(stack.dir, name);
  const own = stack.endpoints[0]?.dir ?? "";
  for (const file of ["config.yaml", "credentials.json"]) cpSync(join(own, file), join(dir, file));
  const child = spawn(process.execPath, [...programArgs("endpoint-agent/main"), "--dir", dir], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit");
  const running = () => child.exitCode === null && child.signalCode === null;
  cleanup.push(async () => {
    for (let i = 0; i < 2 && running(); i++) {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await sleep(100);
    }
    await exited;
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { epoch } = JSON.parse(line.toString()) as { epoch: number };
  return { pid: child.pid as number, epoch, running, code: async () => (await exited)[0] as number | null };
}

function startsOf(evidence: string): Record<string, number> {
  const { starts, overlaps } = judge(readEvidence(evidence));
  expect(overlaps, "I3: two live attempts").toEqual([]);
  return Object.fromEntries(starts);
}

/** A witness whose first attempt does not end by itself, however long a busy machine takes to start the newer agent. */
const endlessAtFirst = async (file: string, key: string): Promise<string> => {
  const fs = await import("node:fs");
  const note = (phase: string) =>
    fs.appendFileSync(
      file,
      `${JSON.stringify({ key, phase, pid: process.pid, at: process.hrtime.bigint().toString() })}\n`,
    );
  const first = !fs.existsSync(file);
  note("start");
  if (first) await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  note("end");
  return key;
};

const begun = (evidence: string, key: string) => () => readEvidence(evidence).some((line) => line.key === key);

describe("A5: two agents of one endpoint", { timeout: 90_000 }, () => {
  it("rule 17: the newer wins; the older kills its work, reports that, and ends with a code that means: do not restart", async () => {
    const { stack, farcall, evidence } = await setUp(60_000);
    await stack.kill("agent");
    const older = await startCopy(stack, "older");
    const task = farcall.function(endlessAtFirst, { name: "witness" }).submit(evidence, "a");
    await waitFor(begun(evidence, "a"), { what: "its start" });
    const newer = await startCopy(stack, "newer");
    expect(newer.epoch).toBe(older.epoch + 1);
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    // Long before the deadline of a minute: the older one said that its work is dead.
    expect(await task).toBe("a");
    expect(startsOf(evidence)).toEqual({ a: 2 });
    const { attempts } = await farcall.tasks.get(task.id);
    expect(attempts.map(({ reason }) => reason)).toEqual(["MANAGER_LOST", null]);
  });

  it("rules 18 and 19: work of an older one that is silent is placed again only after its deadline, when it is dead", async () => {
    const { stack, farcall, evidence } = await setUp(5_000);
    await stack.kill("agent");
    const older = await startCopy(stack, "older");
    const task = farcall.function(witness, { name: "witness" }).submit(evidence, "a", 60_000);
    await waitFor(begun(evidence, "a"), { what: "its start" });
    const worker = readEvidence(evidence)[0]?.pid as number;
    process.kill(older.pid, "SIGSTOP");
    await startCopy(stack, "newer");
    await waitFor(() => !alive(worker), { what: "the end of the worker at its deadline" });
    expect(startsOf(evidence)).toEqual({ a: 1 });
    await waitFor(() => startsOf(evidence).a === 2, { what: "its second start", timeoutMs: 40_000 });
    // The zombie returns: it may do nothing any more.
    process.kill(older.pid, "SIGCONT");
    expect(await older.code()).toBe(EXIT_DO_NOT_RESTART);
    expect(startsOf(evidence)).toEqual({ a: 2 });
    await task.cancel();
  });
});

describe("B2: a manager that is stopped", { timeout: 90_000 }, () => {
  it("rule 20: loses its workers at the deadline, by its watchdog; its tasks run again, and the zombie changes nothing", async () => {
    const { stack, farcall, evidence } = await setUp(5_000);
    const task = farcall.function(witness, { name: "witness" }).submit(evidence, "a", 8_000);
    await waitFor(begun(evidence, "a"), { what: "its start" });
    const worker = readEvidence(evidence)[0]?.pid as number;
    const manager = managerOf(stack);
    process.kill(manager, "SIGSTOP");
    await waitFor(() => !alive(worker), { what: "the end of its worker" });
    await waitFor(() => startsOf(evidence).a === 2, { what: "its second start" });
    if (alive(manager)) process.kill(manager, "SIGCONT");
    expect(await task).toBe("a");
    expect(startsOf(evidence)).toEqual({ a: 2 });
  });
});

describe("rule 21: an agent that is cut off", { timeout: 90_000 }, () => {
  it("loses nothing while its deadline has not passed: work runs on, and its results come", async () => {
    const { stack, farcall, evidence } = await setUp(30_000);
    const task = farcall.function(witness, { name: "witness" }).submit(evidence, "a", 4_000);
    await waitFor(begun(evidence, "a"), { what: "its start" });
    await stack.kill("nats");
    await waitFor(() => readEvidence(evidence).some(({ phase }) => phase === "end"), { what: "its end" });
    await stack.restart("nats");
    expect(await task).toBe("a");
    expect(startsOf(evidence)).toEqual({ a: 1 });
  });
});

function managerOf(stack: TestStack): number {
  const found = findBlockProcesses(`${stack.endpoint}/`).find(({ pid }) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("manager/main"),
  );
  if (!found) throw new Error("no manager runs");
  return found.pid;
}

/** Whether the process runs; one that ended and was not waited for does not. */
function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
