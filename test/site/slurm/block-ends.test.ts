import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { judge, readEvidence, witness } from "../../support/evidence.ts";
import { whyNoSlurm } from "../../support/slurm.ts";
import { waitFor } from "../../support/wait-for.ts";
import { blocksOf, liveJobs, startSite, untilBlocks } from "./support.ts";

const missing = whyNoSlurm();

describe.skipIf(missing)(`blocks of a real Slurm that end early${missing ? ` (${missing})` : ""}`, () => {
  let dir: string;
  let evidence: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-evidence-"));
    evidence = join(dir, "evidence");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const startsOf = (key: string) => readEvidence(evidence).filter((line) => line.key === key && line.phase === "start");

  it("B5: scancel of a block under load: its tasks run again, and no attempt is counted", async () => {
    await using site = await startSite();
    const { slurm, farcall } = site;
    // A loss that counted would be the last one.
    const work = farcall.function(witness, { name: "work" }).with({ maxAttempts: 1 });
    const first = work.submit(evidence, "a", 6_000);
    const second = work.submit(evidence, "b", 6_000);
    await waitFor(() => startsOf("a").length === 1 && startsOf("b").length === 1, { what: "both starts" });
    const [job] = liveJobs(slurm, "R");
    slurm.run("scancel", job as string);
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect([starts.get("a"), starts.get("b"), overlaps]).toEqual([2, 2, []]);
    expect(liveJobs(slurm, "R")).not.toContain(job);
  });

  it("B4: a block is let go before its walltime ends, and its work is done by the next one", async () => {
    await using site = await startSite({ policy: { maxBlocks: 1, walltimeMs: 60_000 } });
    const { farcall } = site;
    const work = farcall.function(witness, { name: "work" }).with({ maxAttempts: 1 });
    const names = Array.from({ length: 16 }, (_, i) => `task-${i}`);
    const tasks = names.map((name) => work.submit(evidence, name, 8_000));
    expect(await Promise.all(tasks)).toEqual(names);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect(overlaps).toEqual([]);
    // None was started where it could not end.
    expect([...starts.values()].every((count) => count === 1)).toBe(true);
    await untilBlocks(site, 0);
  });

  it("goes on while slurmctld is stopped, and sees how its blocks end once it is back", async () => {
    await using site = await startSite({ policy: { maxIdleTimeMs: 120_000 } });
    const { slurm, farcall } = site;
    const work = farcall.function(witness, { name: "work" });
    expect(await work(evidence, "before", 10)).toBe("before");
    await slurm.stopController();
    expect(await work(evidence, "during", 100)).toBe("during");
    const troubleOf = async () => (await farcall.endpoints.get("cluster")).summary?.trouble ?? "";
    const words = "Unable to contact slurm controller";
    await waitFor(async () => (await troubleOf()).includes(words), { what: "the trouble", timeoutMs: 150_000 });
    expect((await blocksOf(site)).map(({ state }) => state)).toEqual(["running"]);
    await slurm.startController();
    expect(await work(evidence, "after", 10)).toBe("after");
    await waitFor(async () => (await troubleOf()) === "", { what: "the end of the trouble", timeoutMs: 90_000 });
    slurm.run("scancel", ...liveJobs(slurm, "R"));
    await untilBlocks(site, 0);
  });
});
