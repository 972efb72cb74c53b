import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { testManager, until } from "../support.ts";
import { type Bench, type BlocksBench, openBench, openBlocks } from "./batch-support.ts";

describe("where blocks are asked for", () => {
  let standIn: StandIn;
  let bench: Bench;
  let open: BlocksBench | undefined;
  beforeEach(() => {
    standIn = createStandIn({ kind: "slurm", settings: { partitions: ["debug", "other"] } });
    bench = openBench(standIn);
  });
  afterEach(async () => {
    await open?.close();
    open = undefined;
    bench.close();
    await standIn.stop();
  });
  const start = async (options: Parameters<typeof openBlocks>[1] = {}) => {
    open = await openBlocks(bench, options);
    return open;
  };
  const scripts = () => standIn.jobs().map(({ given }) => given as Record<string, string>);
  const submissions = () => standIn.calls().filter(({ command }) => command === "sbatch").length;

  it("B7: a block that waits for longer than maxQueueTimeMs is cancelled and has failed, with the scheduler's reason", async () => {
    standIn.control({ neverStart: true, pendingComment: "Resources" });
    const of = await start({ policy: { maxBlocks: 1, maxQueueTimeMs: 300 } });
    of.wait(1);
    await until("the circuit is open", () => of.blocks.trouble !== null);
    expect(of.blocks.trouble).toBe(
      "3 blocks in a row failed: it waited for more than 0.3 s (policy.maxQueueTimeMs): PENDING (Resources)",
    );
    await until("all are gone", () => of.blocks.count === 0);
    expect(submissions()).toBe(3);
  });

  it("B7: the next one is asked for at the next of the alternatives, which is no failure until all were tried", async () => {
    standIn.control({ neverStart: [1] });
    const config = bench.config({ queue: "debug", alternatives: [{ queue: "other" }] });
    const of = await start({ policy: { maxBlocks: 1, maxQueueTimeMs: 300 }, engine: { config } });
    of.wait(1);
    await until("the second runs", () => of.blocks.summary()[0]?.state === "running");
    expect(scripts().map(({ partition }) => partition)).toEqual(["debug", "other"]);
    expect([of.blocks.trouble, of.blocks.failing(), submissions()]).toEqual([null, null, 2]);
  });

  it("B15: blocks keep away from a node where three have died at once, and are let go where they cannot", async () => {
    const of = await start({ launch: ["/bin/sh", "-c", "echo 'node: command not found' >&2; exit 127"] });
    of.wait(1);
    await until("the first node is excluded", () => of.blocks.excludedNodes().length === 1);
    await until("the second node has failed too", () => of.blocks.failing()?.failures === 4);
    expect(of.blocks.excludedNodes()).toMatchObject([
      { node: "nid00001", reason: "FAILED: exit code 127: node: command not found" },
    ]);
    expect(scripts().map(({ exclude }) => exclude)).toEqual([undefined, undefined, undefined, "nid00001"]);
    expect([of.blocks.isExcluded("nid00001"), of.blocks.isExcluded("nid00002")]).toEqual([true, false]);
  });

  it("B15: a manager that says that it is broken counts against its node, and a block of such has failed", async () => {
    const of = await start();
    of.wait(1);
    await until("it runs", () => of.blocks.summary()[0]?.state === "running");
    const manager = testManager({ block: of.blocks.summary()[0]?.id ?? "" });
    of.managers.push(manager);
    manager.draining = true;
    of.blocks.broken(manager, "no python worker starts on this node");
    expect(of.blocks.failing()).toMatchObject({ failures: 1, reason: "no python worker starts on this node" });
    // Once for a block.
    of.blocks.broken(manager, "no python worker starts on this node");
    expect(of.blocks.failing()?.failures).toBe(1);
  });

  it("B15: what comes up on an excluded node does not prolong the exclusion", async () => {
    const of = await start();
    of.wait(1);
    await until("it is there", () => of.blocks.count === 1);
    const block = of.blocks.summary()[0]?.id ?? "";
    for (let node = 0; node < 3; node++) of.blocks.broken(testManager({ block, node }), "no worker starts");
    for (let node = 3; node < 6; node++) of.blocks.unwelcome(testManager({ block, node }));
    expect(of.blocks.failing()).toMatchObject({ failures: 6, reason: "its node here is excluded" });
    expect(of.blocks.excludedNodes()).toMatchObject([{ node: "here", reason: "no worker starts" }]);
  });

  it("NODE_FAIL: a lost block takes no place: another is asked for at once, and the first stays until it is certainly over", async () => {
    await standIn.stop();
    bench.close();
    standIn = createStandIn({ kind: "slurm", settings: { killed: "NODE_FAIL" } });
    bench = openBench(standIn);
    const of = await start({ policy: { maxBlocks: 1 }, engine: { orphanTimeoutMs: 3_000 } });
    of.wait(1);
    await until("it runs", () => of.blocks.summary()[0]?.state === "running");
    standIn.control({ kill: [1] });
    await until("both are there", () => of.blocks.count === 2);
    const [first, second] = of.blocks.summary();
    expect([first?.state, first?.reason, second?.state]).toEqual(["lost", "NODE_FAIL", "pending"]);
    expect(of.gone).toEqual([]);
    await until("its end is certain", () => of.gone.length === 1);
    expect(of.gone[0]).toMatchObject({ block: first?.id, taken: true });
    expect([of.blocks.count, of.blocks.failing()]).toEqual([1, null]);
  });
});
