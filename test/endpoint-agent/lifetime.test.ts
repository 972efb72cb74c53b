/** How blocks and agents come and go: on demand, when idle, drained, in a hurry. Whole stacks, real processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
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

async function setUp(config: Record<string, unknown>) {
  const stack = await startStack({ endpoints: [{ name: "laptop", config }] });
  const farcall = new Farcall({ url: stack.url, token: stack.token });
  cleanup.push(async () => {
    await farcall.close();
    await stack.stop();
    expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
  });
  const evidence = join(stack.dir, "evidence");
  const call = (key: string, ms: number) => farcall.function(witness, { name: "witness" }).submit(evidence, key, ms);
  const begun = (key: string) =>
    waitFor(() => readEvidence(evidence).some((line) => line.key === key), { what: `the start of ${key}` });
  return { stack, farcall, evidence, call, begun, dir: stack.endpoints[0]?.dir ?? "" };
}
const blocksOf = (stack: TestStack) => new Set(findBlockProcesses(`${stack.endpoint}/`).map(({ block }) => block)).size;

describe("blocks of an endpoint", { timeout: 90_000 }, () => {
  it("are none without work, start on demand up to maxBlocks, and end when idle", async () => {
    const policy = { workersPerNode: 1, maxBlocks: 2, maxIdleTimeMs: 500 };
    const { stack, call, evidence } = await setUp({ node: { cores: 1 }, policy });
    expect(blocksOf(stack)).toBe(0);
    const tasks = ["a", "b", "c", "d"].map((key) => call(key, 1_500));
    await waitFor(() => blocksOf(stack) === 2, { what: "the second block" });
    expect(await Promise.all(tasks)).toEqual(["a", "b", "c", "d"]);
    await waitFor(() => blocksOf(stack) === 0, { what: "the end of idle blocks" });
    expect(await call("e", 1)).toBe("e");
    expect(judge(readEvidence(evidence)).overlaps).toEqual([]);
  });

  it("never hold a task that no node can hold: it fails, and says why", async () => {
    const { farcall, stack } = await setUp({ node: { cores: 2 }, policy: { workersPerNode: 2 } });
    const same = farcall.function((x: number) => x, { name: "same" });
    const big = same.with({ resources: { cores: 64, memoryMb: 0, gpus: 0 } });
    await expect(Promise.resolve(big(1))).rejects.toMatchObject({
      code: "NO_SUCH_RESOURCES",
      message: expect.stringMatching(/the task needs 64 cores; a node of this endpoint offers 2 cores/),
    });
    const wide = farcall.command("{launcher} true").with({ resources: { nodes: 4 } });
    await expect(Promise.resolve(wide())).rejects.toMatchObject({
      message: "the task needs 4 nodes of one block; a block of this endpoint has 1 (policy.nodesPerBlock)",
    });
    expect(blocksOf(stack)).toBe(0);
    expect(await same(2)).toBe(2);
  });

  it("tasks of several cores run as many at once as the cores allow", async () => {
    const { farcall, evidence } = await setUp({ node: { cores: 4 }, policy: { workersPerNode: 4 } });
    const run = farcall.function(witness, { name: "witness" });
    const wide = run.with({ resources: { cores: 3, memoryMb: 0, gpus: 0 } });
    await Promise.all([wide(evidence, "w1", 300), wide(evidence, "w2", 300), run(evidence, "n1", 300)]);
    const lines = readEvidence(evidence);
    const at = (key: string, phase: string) => lines.find((line) => line.key === key && line.phase === phase)?.at ?? 0;
    const [first, second] = at("w1", "start") < at("w2", "start") ? ["w1", "w2"] : ["w2", "w1"];
    expect(at(second as string, "start")).toBeGreaterThanOrEqual(at(first as string, "end"));
  });
});

describe("an agent that is asked to end", { timeout: 90_000 }, () => {
  it("lets running tasks end at the first SIGTERM, and takes nothing new", async () => {
    const { stack, call, begun, evidence } = await setUp({ policy: { workersPerNode: 1 }, node: { cores: 1 } });
    const first = call("a", 2_000);
    await begun("a");
    const second = call("b", 10);
    process.kill(stack.pid("agent"), "SIGTERM");
    expect(await first).toBe("a");
    await waitFor(() => blocksOf(stack) === 0, { what: "the end of its blocks" });
    expect(readEvidence(evidence).map(({ key }) => key)).toEqual(["a", "a"]);
    await stack.restart("agent");
    expect(await second).toBe("b");
  });

  it("kills them at the second, reports that, and they run again later", async () => {
    const { stack, call, begun, evidence } = await setUp({ policy: { workersPerNode: 1 } });
    const task = call("a", 20_000);
    await begun("a");
    const pid = stack.pid("agent");
    process.kill(pid, "SIGTERM");
    await sleep(200);
    process.kill(pid, "SIGTERM");
    await waitFor(() => blocksOf(stack) === 0 && !existsSync(`/proc/${pid}`), { what: "its end" });
    await stack.restart("agent");
    await waitFor(() => readEvidence(evidence).filter(({ phase }) => phase === "start").length === 2);
    expect(judge(readEvidence(evidence)).overlaps).toEqual([]);
    await task.cancel();
  });
});

describe("an agent's directory", { timeout: 60_000 }, () => {
  it("serves one agent at a time: a second says so, and that it should not be started again", async () => {
    const { dir } = await setUp({});
    expect(await agentEnd(dir)).toMatchObject({
      code: EXIT_DO_NOT_RESTART,
      said: expect.stringMatching(/^ENDPOINT_IN_USE: an agent of this directory runs already: process \d+/),
    });
  });

  it("A8: with a damaged journal starts no agent, and says what to do", async () => {
    const { stack, dir, farcall } = await setUp({});
    expect(await farcall.function((x: number) => x, { name: "same" })(1)).toBe(1);
    process.kill(stack.pid("agent"), "SIGTERM");
    await waitFor(() => !existsSync(join(dir, "agent.pid")), { what: "the agent's end" });
    const journal = join(dir, "state", "journal");
    const bytes = readFileSync(journal);
    bytes[12] = (bytes[12] as number) ^ 1;
    writeFileSync(journal, bytes);
    const end = await agentEnd(dir);
    expect(end.code).toBe(EXIT_DO_NOT_RESTART);
    expect(end.said).toMatch(/^JOURNAL_DAMAGED: .*is damaged at byte 8.*move the file away: mv /);
  });

  it("without the gateway's consent starts no agent: the token is refused", async () => {
    const { stack, dir } = await setUp({});
    await stack.kill("agent");
    const file = join(dir, "credentials.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), token: "farcall_wrong" }));
    const end = await agentEnd(dir);
    expect(end).toMatchObject({ code: EXIT_DO_NOT_RESTART, said: expect.stringMatching(/^UNAUTHENTICATED: /m) });
  });
});

/** Starts an agent that is expected to end by itself. */
async function agentEnd(dir: string): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [...programArgs("endpoint-agent/main"), "--dir", dir], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  cleanup.push(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}
