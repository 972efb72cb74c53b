import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { judge, readEvidence, witness } from "../../support/evidence.ts";
import { whyNoSlurm } from "../../support/slurm.ts";
import { waitFor } from "../../support/wait-for.ts";
import { liveJobs, type Site, startSite } from "./support.ts";

const missing = whyNoSlurm();

describe.skipIf(missing)(`blocks that a real Slurm takes away${missing ? ` (${missing})` : ""}`, () => {
  let dir: string;
  let evidence: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-evidence-"));
    evidence = join(dir, "evidence");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const started = (key: string) => readEvidence(evidence).some((line) => line.key === key && line.phase === "start");
  const reasonsOf = async ({ farcall }: Site, id: string) =>
    (await farcall.tasks.get(id)).attempts.map(({ reason }) => reason);

  it.each(["CANCEL", "REQUEUE"])(
    "B5: a job of another partition preempts the block (PreemptMode=%s): the attempt says PREEMPTED, and the task runs again",
    async (mode) => {
      await using site = await startSite({
        slurm: {
          nodes: 1,
          conf: [
            "PreemptType=preempt/partition_prio",
            `PreemptMode=${mode}`,
            "PartitionName=high Nodes=ALL PriorityTier=100 MaxTime=INFINITE State=UP",
          ],
        },
        provider: { queue: "debug" },
      });
      const { slurm, farcall } = site;
      // A loss that counted would be the last one.
      const task = farcall.function(witness, { name: "work" }).with({ maxAttempts: 1 }).submit(evidence, "a", 6_000);
      await waitFor(() => started("a"), { what: "the start" });
      slurm.run("sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 12");
      expect(await task).toBe("a");
      await waitFor(async () => (await reasonsOf(site, task.id))[0] === "PREEMPTED", {
        what: "Slurm's verdict",
        timeoutMs: 60_000,
      });
      const { starts, overlaps } = judge(readEvidence(evidence));
      expect([await reasonsOf(site, task.id), starts.get("a"), overlaps]).toEqual([["PREEMPTED", null], 2, []]);
    },
  );

  it("B5: scancel of a running block: the attempt says BLOCK_CANCELLED", async () => {
    await using site = await startSite();
    const { slurm, farcall } = site;
    const task = farcall.function(witness, { name: "work" }).with({ maxAttempts: 1 }).submit(evidence, "b", 6_000);
    await waitFor(() => started("b"), { what: "the start" });
    slurm.run("scancel", ...liveJobs(slurm, "R"));
    expect(await task).toBe("b");
    await waitFor(async () => (await reasonsOf(site, task.id))[0] === "BLOCK_CANCELLED", {
      what: "Slurm's verdict",
      timeoutMs: 60_000,
    });
  });
});
