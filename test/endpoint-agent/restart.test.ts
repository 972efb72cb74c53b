/** FAULTS.md A1, A4 and B1: what an agent or a manager held when it died, and what becomes of it. Whole stacks, real processes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeJournal } from "../../endpoint-agent/journal-codec.ts";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

let stack: TestStack;
let farcall: Farcall;
let evidence: string;
let tests = 0;

beforeAll(async () => {
  const config = { orphanTimeoutMs: 20_000, policy: { workersPerNode: 2 } };
  stack = await startStack({ endpoints: [{ name: "laptop", config }] });
  farcall = new Farcall({ url: stack.url, token: stack.token });
});
beforeEach(() => {
  evidence = join(stack.dir, `evidence-${++tests}`);
});
afterAll(async () => {
  await farcall.close();
  await stack.stop();
  expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
});

function call(key: string, ms: number, delivery: "at-least-once" | "at-most-once" = "at-least-once") {
  return farcall.function(witness, { name: "witness" }).with({ delivery }).submit(evidence, key, ms);
}
async function started(...keys: string[]): Promise<void> {
  await waitFor(() => keys.every((key) => readEvidence(evidence).some((line) => line.key === key)), {
    what: `the start of ${keys.join(", ")}`,
  });
}
function startsOf(): Record<string, number> {
  const { starts, overlaps } = judge(readEvidence(evidence));
  expect(overlaps, "I3: two live attempts").toEqual([]);
  return Object.fromEntries(starts);
}
/** The managers' process ids; theirs are the command lines that name the manager's main file. */
function managers(): number[] {
  const isManager = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("manager/main");
  return findBlockProcesses(`${stack.endpoint}/`)
    .map(({ pid }) => pid)
    .filter(isManager);
}
function countRecords(kind: string): number {
  const content = decodeJournal(readFileSync(join(stack.endpoints[0]?.dir ?? "", "state", "journal")));
  const frames = content.kind === "ok" ? content.frames : [];
  return frames.filter(({ header }) => (header as { kind: string }).kind === kind).length;
}

describe("A1: an agent that is killed and started again", { timeout: 90_000 }, () => {
  it("goes on with running tasks of both deliveries; nothing is started twice", async () => {
    const tasks = [call("often", 2_500), call("once", 2_500, "at-most-once")];
    await started("often", "once");
    const before = managers();
    await stack.kill("agent");
    await sleep(500);
    await stack.restart("agent");
    expect(await Promise.all(tasks)).toEqual(["often", "once"]);
    expect(managers()).toEqual(before);
    expect(startsOf()).toEqual({ often: 1, once: 1 });
  });

  it("delivers what ended while it was dead", async () => {
    const tasks = [call("a", 1_000), call("b", 1_000, "at-most-once")];
    await started("a", "b");
    await stack.kill("agent");
    await waitFor(() => readEvidence(evidence).filter(({ phase }) => phase === "end").length === 2);
    await stack.restart("agent");
    expect(await Promise.all(tasks)).toEqual(["a", "b"]);
    expect(startsOf()).toEqual({ a: 1, b: 1 });
  });

  it("runs again what it held and had handed to nobody", async () => {
    const tasks = ["a", "b", "c", "d"].map((key) => call(key, 1_500));
    await started("a", "b");
    await stack.kill("agent");
    await stack.restart("agent");
    expect(await Promise.all(tasks)).toEqual(["a", "b", "c", "d"]);
    expect(startsOf()).toEqual({ a: 1, b: 1, c: 1, d: 1 });
  });

  it("A4: keeps results in its journal while there is no gateway, also over its own death", async () => {
    const tasks = [call("a", 1_000), call("b", 1_000)];
    await started("a", "b");
    const before = countRecords("result");
    await stack.kill("gateway");
    await waitFor(() => countRecords("result") === before + 2, { what: "two results" });
    await stack.kill("agent");
    await stack.restart("gateway");
    await stack.restart("agent");
    expect(await Promise.all(tasks)).toEqual(["a", "b"]);
    expect(startsOf()).toEqual({ a: 1, b: 1 });
    await waitFor(() => countRecords("result-taken") === countRecords("result"), { what: "their end in the journal" });
  });

  it("counts attempts when its manager died with it", async () => {
    const tasks = [call("often", 3_000), call("once", 3_000, "at-most-once")];
    const outcomes = Promise.allSettled(tasks);
    await started("often", "once");
    await stack.kill("agent");
    for (const pid of managers()) process.kill(pid, "SIGKILL");
    await stack.restart("agent");
    const [often, once] = await outcomes;
    expect(often).toMatchObject({ status: "fulfilled", value: "often" });
    expect(once).toMatchObject({ status: "rejected", reason: { code: "MAYBE_RAN" } });
    expect(startsOf()).toEqual({ often: 2, once: 1 });
  });
});

describe("B1: a manager that is killed", { timeout: 90_000 }, () => {
  it("takes its workers with it; its tasks are placed again, at-most-once ones end MAYBE_RAN", async () => {
    const tasks = [call("often", 3_000), call("once", 3_000, "at-most-once")];
    const outcomes = Promise.allSettled(tasks);
    await started("often", "once");
    const workers = readEvidence(evidence).map(({ pid }) => pid);
    for (const pid of managers()) process.kill(pid, "SIGKILL");
    const living = () => workers.filter((pid) => readdirSync("/proc").includes(String(pid)));
    await waitFor(() => living().length === 0, { what: "the end of its workers", timeoutMs: 10_000 });
    const [often, once] = await outcomes;
    expect(often).toMatchObject({ status: "fulfilled", value: "often" });
    expect(once).toMatchObject({ status: "rejected", reason: { code: "MAYBE_RAN" } });
    expect(startsOf()).toEqual({ often: 2, once: 1 });
    const { attempts } = await farcall.tasks.get(tasks[0]?.id ?? "");
    expect(attempts.map(({ reason }) => reason)).toEqual(["MANAGER_LOST", null]);
  });
});
