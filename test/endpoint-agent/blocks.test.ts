import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { BlockFiles } from "../../endpoint-agent/block-files.ts";
import { createBlocks } from "../../endpoint-agent/blocks.ts";
import { createBreaker, FAILURES_TO_OPEN } from "../../endpoint-agent/breaker.ts";
import { EndpointConfig, settle } from "../../endpoint-agent/config.ts";
import { type Journal, openJournal } from "../../endpoint-agent/journal.ts";
import type { Manager } from "../../endpoint-agent/manager.ts";
import type { JobStatus, Provider } from "../../endpoint-agent/provider/port.ts";
import type { TellWhy } from "../../endpoint-agent/work-ends.ts";
import { testManager, until } from "./support.ts";

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

/** A provider whose jobs do what the test says. */
function fakeProvider() {
  const jobs = new Map<string, JobStatus | "silent">();
  const cancelled: string[] = [];
  const state = { failing: false, loseAnswer: false, submits: 0 };
  const provider: Provider = {
    statusIntervalMs: 20,
    async submit({ name }) {
      state.submits++;
      if (state.failing) throw new Error("sbatch: error: Batch job submission failed: Invalid account");
      jobs.set(`job-${name}`, { state: "pending", reason: "Priority" });
      if (state.loseAnswer) throw new Error("timed out");
      return `job-${name}`;
    },
    status: async (ids) => {
      const known = new Map<string, JobStatus>();
      for (const id of ids) {
        const job = jobs.get(id);
        if (job && job !== "silent") known.set(id, job);
      }
      return known;
    },
    async cancel(ids) {
      for (const id of ids) {
        cancelled.push(id);
        jobs.set(id, { state: "gone", reason: "cancelled" });
      }
    },
    find: async (name) => (jobs.has(`job-${name}`) ? `job-${name}` : undefined),
  };
  return { provider, jobs, cancelled, state };
}

async function setUp(policy: Record<string, unknown>, journalFile?: string) {
  const dir = mkdtempSync(join(tmpdir(), "farcall-blocks-"));
  cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
  const journal: Journal = await openJournal(journalFile ?? join(dir, "journal"));
  cleanup.push(() => journal.close());
  const fake = fakeProvider();
  const demand: Record<string, number> = {};
  const gone: { block: string; reason: string }[] = [];
  const told: Parameters<TellWhy>[0][] = [];
  const managers: Manager[] = [];
  const files: BlockFiles = {
    prepare: ({ id, nodes, walltimeMs }) => ({
      name: id,
      nodes,
      walltimeMs,
      commands: [],
      launch: [],
      logFiles: [],
      env: {},
      dir,
    }),
    secretOf: () => "secret",
    remove: () => {},
  };
  const breaker = createBreaker({ firstWaitMs: 10, openWaitMs: 400, maxWaitMs: 1_000, random: () => 0 });
  const start = () => {
    const blocks = createBlocks({
      settings: settle(EndpointConfig.parse({ name: "x", policy: { workersPerNode: 1, ...policy } })),
      provider: fake.provider,
      files,
      journal,
      managers: { of: (block: string) => managers.filter(({ hello }) => hello.block === block) } as never,
      breaker,
      log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} } as never,
      demand: () => demand,
      onChange: () => {},
      onGone(block, { reason }) {
        gone.push({ block, reason });
        return (why) => void told.push(why);
      },
    });
    cleanup.push(() => blocks.stop());
    return blocks;
  };
  return { start, journal, demand, gone, told, managers, breaker, ...fake };
}

describe("blocks", () => {
  it("grow with what waits up to maxBlocks, and are in the journal before they are submitted", async () => {
    const { start, demand, jobs, journal } = await setUp({ maxBlocks: 3 });
    const blocks = start();
    demand["1c0m0g"] = 2;
    blocks.evaluate();
    await until("two are submitted", () => jobs.size === 2);
    expect(journal.state.blocks.size).toBe(2);
    demand["1c0m0g"] = 50;
    blocks.evaluate();
    blocks.evaluate();
    await until("three are submitted", () => jobs.size === 3);
    await until("their jobs are in the journal", () =>
      [...journal.state.blocks.values()].every(({ job }) => job !== null),
    );
    expect(blocks.summary()).toHaveLength(3);
    await until("the scheduler's own word is shown", () =>
      blocks.summary().every(({ reason }) => reason === "Priority"),
    );
  });

  it("B8: submissions back off, and after three failures in a row the circuit is open, its cause visible", async () => {
    const { start, demand, state } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    state.failing = true;
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("the circuit is open", () => blocks.trouble !== null);
    expect(blocks.trouble).toMatch(/3 blocks in a row failed: sbatch: error: .*Invalid account/);
    expect(state.submits).toBe(FAILURES_TO_OPEN);
    for (let i = 0; i < 10; i++) blocks.evaluate();
    expect(state.submits).toBe(FAILURES_TO_OPEN);
    state.failing = false;
    await until("it is tried again after a while", () => state.submits > FAILURES_TO_OPEN);
    const [block] = blocks.summary();
    blocks.connected(block?.id ?? "");
    expect(blocks.trouble).toBeNull();
  });

  it("B15: blocks whose managers never connect count as failures", async () => {
    const { start, demand, jobs, state } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("the circuit is open", () => {
      for (const id of jobs.keys()) jobs.set(id, { state: "gone", reason: "the manager ended with exit code 1" });
      return blocks.trouble !== null;
    });
    expect(state.submits).toBe(FAILURES_TO_OPEN);
    expect(blocks.trouble).toContain("exit code 1");
  });

  it("B15: where all blocks are this machine's own, it is not left out: the breaker holds back, and tries again", async () => {
    const { start, demand, jobs } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("it is submitted", () => jobs.size === 1);
    const block = blocks.summary()[0]?.id ?? "";
    for (let node = 0; node < 3; node++) blocks.broken(testManager({ block, node }), "the disk is full");
    expect(blocks.failing()?.failures).toBe(3);
    expect([blocks.isExcluded("here"), blocks.excludedNodes()]).toEqual([false, []]);
  });

  it("B12: a submission whose answer was lost is found and adopted, not repeated", async () => {
    const { start, demand, jobs, state } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    state.loseAnswer = true;
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("the job is known", () => blocks.summary()[0]?.job?.startsWith("job-") ?? false);
    await until("it is used", () => blocks.summary()[0]?.state === "pending");
    expect([jobs.size, blocks.count]).toEqual([1, 1]);
  });

  it("B11: a job that the scheduler does not list is unknown, not gone, and still counts", async () => {
    const { start, demand, jobs, gone, state } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("it is submitted", () => jobs.size === 1);
    for (const id of jobs.keys()) jobs.set(id, "silent");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([gone, blocks.count, state.submits]).toEqual([[], 1, 1]);
  });

  it("are let go when idle: asked to drain, then cancelled", async () => {
    const { start, demand, managers, cancelled, jobs, gone, journal } = await setUp({
      maxBlocks: 1,
      maxIdleTimeMs: 50,
    });
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("it is submitted", () => jobs.size === 1);
    const [block] = blocks.summary();
    const manager = testManager({ block: block?.id ?? "" });
    managers.push(manager);
    blocks.connected(block?.id ?? "");
    manager.idleSince = 0;
    demand["1c0m0g"] = 0;
    await until("it is asked to drain", () => {
      blocks.evaluate();
      return manager.link.sent.some(({ frame }) => frame.kind === "drain");
    });
    expect(cancelled).toEqual([]);
    for (const id of jobs.keys()) jobs.set(id, { state: "gone", reason: "the manager ended with exit code 0" });
    await until("it is gone", () => gone.length === 1);
    await until("it left the journal", () => journal.state.blocks.size === 0);
    expect(blocks.trouble).toBeNull();
  });

  it.each([
    ["B14: is cancelled", { state: "pending", reason: "BadConstraints", hopeless: true }, "stopping"],
    ["NODE_FAIL: is lost", { state: "lost", reason: "NODE_FAIL" }, "lost"],
  ] as const)("%s, and its manager comes all the same: it gets no work and goes", async (_, status, state) => {
    const { start, demand, jobs, managers, provider } = await setUp({ maxBlocks: 1 });
    provider.cancel = async () => {};
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("it is submitted", () => jobs.size === 1);
    const block = blocks.summary()[0]?.id ?? "";
    jobs.set(`job-${block}`, status);
    await until("nobody counts on it", () => blocks.summary().some((one) => one.id === block && one.state === state));
    const manager = testManager({ block });
    managers.push(manager);
    blocks.connected(block);
    expect([manager.draining, manager.link.sent.map(({ frame }) => frame.kind)]).toEqual([true, ["drain"]]);
  });

  it("B5: the scheduler is asked on why a block has ended, and what it says then is told once", async () => {
    const { start, demand, jobs, told, gone } = await setUp({ maxBlocks: 1 });
    const blocks = start();
    demand["1c0m0g"] = 1;
    blocks.evaluate();
    await until("it is submitted", () => jobs.size === 1);
    demand["1c0m0g"] = 0;
    const [job] = [...jobs.keys()] as [string];
    jobs.set(job, { state: "gone", reason: "its script has ended", taken: true });
    await until("it is gone", () => gone.length === 1);
    expect(told).toEqual([]);
    jobs.set(job, { state: "gone", reason: "PREEMPTED", taken: true, cause: "preempted" });
    await until("it was told", () => told.length > 0);
    blocks.check();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).toEqual([{ cause: "preempted", reason: "PREEMPTED" }]);
  });

  it("A1: those of the journal are taken over by the next agent", async () => {
    const first = await setUp({ maxBlocks: 2 });
    first.demand["1c0m0g"] = 1;
    const blocks = first.start();
    blocks.evaluate();
    await until("it is submitted", () => [...first.journal.state.blocks.values()].some(({ job }) => job !== null));
    blocks.stop();
    const next = first.start();
    expect(next.count).toBe(1);
    next.evaluate();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(first.state.submits).toBe(1);
    for (const id of first.jobs.keys()) first.jobs.set(id, { state: "gone", reason: "walltime" });
    await until("its end is noticed", () => first.gone.length === 1);
  });
});
