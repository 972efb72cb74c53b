import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { createStandIn, type StandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

describe("an endpoint at a stand-in for Slurm, end to end", () => {
  let standIn: StandIn;
  let stack: TestStack;
  let farcall: Farcall;
  let dir: string;
  let evidence: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "farcall-evidence-"));
    evidence = join(dir, "evidence");
    standIn = createStandIn({ kind: "slurm" });
    const config = {
      provider: { type: "slurm", binDir: standIn.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 0, walltimeMs: 600_000 },
      node: { cores: 2, memoryMb: 500 },
      link: { address: "127.0.0.1" },
    };
    stack = await startStack({ endpoints: [{ name: "cluster", config }] });
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterEach(async () => {
    standIn.control({ neverStart: [], kill: [], requeue: [] });
    await waitFor(() => live().length === 0, { what: "the end of all jobs", timeoutMs: 60_000 });
  });
  afterAll(async () => {
    await farcall?.close();
    await stack?.stop();
    await standIn?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const live = () => standIn.jobs().filter(({ state }) => state !== "done");
  const started = (key: string) => readEvidence(evidence).filter((line) => line.key === key).length > 0;

  it("B7: a task that waits for a pending block is told the scheduler's own reason", async () => {
    standIn.control({ neverStart: true, pendingComment: "QOSMaxJobsPerUserLimit" });
    const task = farcall.function((x: number) => x + 1, { name: "next" }).submit(1);
    await task.accepted;
    const waitOf = async () => (await farcall.tasks.get(task.id)).waits;
    await waitFor(async () => (await waitOf())?.message.includes("QOSMaxJobsPerUserLimit") ?? false, {
      what: "the reason",
      timeoutMs: 60_000,
    });
    expect(await waitOf()).toMatchObject({ reason: "block-pending" });
    standIn.control({ neverStart: [] });
    expect(await task).toBe(2);
  }, 90_000);

  it("B8: a task that waits while submissions fail is told the scheduler's words, and runs once they work", async () => {
    const words = "sbatch: error: Batch job submission failed: Invalid qos specification";
    const heal = standIn.fault({ command: "sbatch", do: "answer", code: 1, stderr: `${words}\n` });
    const task = farcall.function((x: number) => x + 2, { name: "after" }).submit(1);
    await task.accepted;
    const messageOf = async () => (await farcall.tasks.get(task.id)).waits?.message ?? "";
    await waitFor(async () => (await messageOf()).includes(words), { what: "the words" });
    const [block] = (await farcall.endpoints.get("cluster")).summary?.blocks ?? [];
    expect(block).toMatchObject({ state: "unknown", reason: words });
    heal();
    expect(await task).toBe(3);
  }, 90_000);

  it("B5: a block that is preempted without a warning: its task runs again, free of charge, and says why", async () => {
    const task = farcall
      .function(witness, { name: "work" })
      .with({ maxAttempts: 1 })
      .submit(evidence, "preempted", 3_000);
    await waitFor(() => started("preempted"), { what: "the start" });
    standIn.control({ kill: [live()[0]?.n as number] });
    expect(await task).toBe("preempted");
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect([starts.get("preempted"), overlaps]).toEqual([2, []]);
    const { attempts } = await farcall.tasks.get(task.id);
    expect(attempts.map(({ reason }) => reason)).toEqual(["PREEMPTED", null]);
  }, 90_000);

  it("B6: a job that the scheduler starts again under the same id is a new incarnation, and does the work", async () => {
    const task = farcall.function(witness, { name: "work" }).submit(evidence, "requeued", 3_000);
    await waitFor(() => started("requeued"), { what: "the start" });
    const [job] = live();
    standIn.control({ requeue: [job?.n as number] });
    await waitFor(() => standIn.jobs().some(({ n, starts }) => n === job?.n && starts === 2), {
      what: "its second start",
    });
    standIn.control({ requeue: [] });
    expect(await task).toBe("requeued");
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect([starts.get("requeued"), overlaps]).toEqual([2, []]);
    expect(standIn.jobs().find(({ n }) => n === job?.n)?.starts).toBe(2);
  }, 90_000);
});
