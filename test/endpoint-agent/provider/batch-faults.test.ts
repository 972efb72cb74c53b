import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunCommand, runCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { until } from "../support.ts";
import { type Bench, type BlocksBench, openBench, openBlocks } from "./batch-support.ts";

describe("blocks at a scheduler that fails", () => {
  let standIn: StandIn;
  let bench: Bench;
  let open: BlocksBench | undefined;
  beforeEach(() => {
    standIn = createStandIn({ kind: "slurm" });
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
  const live = () => standIn.jobs().filter(({ state }) => state !== "done");
  const running = (of: BlocksBench) => of.blocks.summary().filter(({ state }) => state === "running");
  const submissions = () => standIn.calls().filter(({ command }) => command === "sbatch").length;

  it("B7: a job that stays pending says why, in the scheduler's words, and no other is submitted", async () => {
    standIn.control({ neverStart: true, pendingComment: "QOSMaxJobsPerUserLimit" });
    const of = await start({ policy: { maxBlocks: 2 } });
    of.wait(100);
    await until(
      "both say why",
      () => of.blocks.summary().filter(({ reason }) => reason === "PENDING (QOSMaxJobsPerUserLimit)").length === 2,
    );
    of.wait(1_000);
    const before = standIn.calls().length;
    await until("it was asked again", () => standIn.calls().length > before + 2);
    expect([submissions(), live().length, of.blocks.trouble]).toEqual([2, 2, null]);
  });

  it("B7: a job that can never start is cancelled and counts as a failure", async () => {
    standIn.control({ nodes: 1 });
    const of = await start({ policy: { maxBlocks: 1, nodesPerBlock: 2 } });
    of.wait(1);
    await until("the circuit is open", () => of.blocks.trouble !== null);
    await until("all are gone", () => live().length === 0);
    expect(submissions()).toBe(3);
    expect(of.blocks.trouble).toBe("3 blocks in a row failed: PENDING (PartitionConfig): it would never start");
  });

  it("B8: three refusals in a row open the circuit, with the scheduler's words; nothing is left behind", async () => {
    const words =
      "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified";
    standIn.fault({ command: "sbatch", do: "answer", stderr: `${words}\n`, code: 1 });
    const of = await start({ policy: { maxBlocks: 3 } });
    of.wait(3);
    await until("the circuit is open", () => of.blocks.trouble !== null);
    expect(of.blocks.trouble).toBe(`3 blocks in a row failed: ${words}`);
    await until("no block is left", () => of.blocks.count === 0);
    for (let i = 0; i < 10; i++) of.blocks.evaluate();
    expect(submissions()).toBe(3);
  });

  it("B8: a scheduler that is not installed opens the circuit too", async () => {
    const { bin } = standIn;
    const of = await start({ engine: { config: bench.config({ binDir: `${bin}/nowhere` }) } });
    of.wait(1);
    await until("it says so", () => of.blocks.summary()[0]?.reason === `sbatch: command not found in ${bin}/nowhere`);
    expect(of.blocks.summary()[0]?.state).toBe("unknown");
  });

  it("B9: a list that hangs is ended, no other runs beside it, and submissions go on", async () => {
    let lists = 0;
    let most = 0;
    const run: RunCommand = async (argv, options) => {
      const isList = argv[0]?.endsWith("squeue") === true;
      if (isList) most = Math.max(most, ++lists);
      const output = await runCommand(argv, options);
      if (isList) lists--;
      return output;
    };
    const config = bench.config({ commandTimeoutMs: 1_000 });
    const of = await start({ policy: { maxBlocks: 2 }, engine: { config, run } });
    of.wait(1);
    await until("it runs", () => running(of).length === 1);
    const fixed = standIn.fault({ command: "squeue", do: "hang" });
    of.wait(2);
    await until("the second is submitted", () => live().length === 2);
    await until("its trouble is visible", () => of.blocks.trouble !== null);
    expect(of.blocks.trouble).toBe("squeue: no answer within 1 s");
    expect([of.blocks.count, of.gone]).toEqual([2, []]);
    fixed();
    await until("both run", () => running(of).length === 2);
    expect(of.blocks.trouble).toBeNull();
    expect(most).toBe(1);
  });

  it.each(["empty", "half", "html", "binary", "banner", "shouted"] as const)(
    "B10: a list that is garbage (%s) ends no block",
    async (how) => {
      // No managers are there to answer: only their deadline, which is far away, would end it.
      const of = await start({ policy: { maxBlocks: 2 }, engine: { orphanTimeoutMs: 3_600_000 } });
      of.wait(2);
      await until("both run", () => running(of).length === 2);
      standIn.fault({ command: "squeue", do: "mangle", how });
      const before = standIn.calls().length;
      await until("it was asked five times", () => standIn.calls().length > before + 5);
      expect([of.gone, of.blocks.count, live().length, submissions()]).toEqual([[], 2, 2, 2]);
    },
  );

  it("B10: a hundred megabytes of answer do no harm", async () => {
    const of = await start();
    of.wait(1);
    await until("it runs", () => running(of).length === 1);
    const rss = process.memoryUsage.rss();
    writeFileSync(`${standIn.bin}/squeue`, "#!/bin/sh\nyes '1|R|RUNNING|None|N/A||x' | head -c 100000000\n", {
      mode: 0o755,
    });
    await until("it is noticed", () => of.blocks.trouble !== null);
    expect(of.blocks.trouble).toBe("squeue: it printed more than anybody can read");
    expect([of.gone, of.blocks.count]).toEqual([[], 1]);
    expect(process.memoryUsage.rss() - rss).toBeLessThan(150 * 1024 ** 2);
  });

  it("B14: a cancel that does nothing is repeated until the job is seen to have ended", async () => {
    const of = await start();
    standIn.fault({ command: "scancel", do: "ignore", times: 5 });
    of.wait(1);
    await until("it runs", () => running(of).length === 1);
    of.blocks.close({ force: false });
    await until("it is gone", () => of.blocks.count === 0);
    expect(standIn.calls().filter(({ command }) => command === "scancel").length).toBeGreaterThan(5);
    expect(live()).toEqual([]);
  });

  it("B15: blocks that end at once are refused after three, with their own last words", async () => {
    const of = await start({ launch: ["/bin/sh", "-c", "echo 'node: command not found' >&2; exit 127"] });
    of.wait(1);
    await until("the circuit is open", () => of.blocks.trouble !== null);
    expect(of.blocks.trouble).toContain("3 blocks in a row failed: FAILED: exit code 127: node: command not found");
    expect(submissions()).toBe(3);
  });
});
