import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findBlockProcesses } from "../../../endpoint-agent/provider/block-processes.ts";
import { judge, readEvidence, witness } from "../../support/evidence.ts";
import { whyNoSlurm } from "../../support/slurm.ts";
import { waitFor } from "../../support/wait-for.ts";
import { blocksOf, liveJobs, startSite } from "./support.ts";

const missing = whyNoSlurm();
/** n1 takes every job and fails each at once, as a node without its file systems does. */
const BLACK_HOLE =
  '[ "$SLURMD_NODENAME" != n1 ] || { echo "module: command not found" >&2; exit 127; }; export NODE=$SLURMD_NODENAME';

describe.skipIf(missing)(`nodes of a real Slurm that fail${missing ? ` (${missing})` : ""}`, () => {
  let dir: string;
  let evidence: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "farcall-evidence-"));
    evidence = join(dir, "evidence");
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("B15: one black-hole node of three is excluded after three failures, by --exclude, and the work is done elsewhere", async () => {
    await using site = await startSite({ slurm: { nodes: 3 }, config: { workers: { init: BLACK_HOLE } } });
    const { slurm, farcall } = site;
    const where = farcall.command("echo $SLURMD_NODENAME").with({ maxAttempts: 1 });
    expect((await where()).stdout).toBe("n2\n");
    const summaryOf = async () => (await farcall.endpoints.get("cluster")).summary;
    await waitFor(async () => (await summaryOf())?.failing === null, { what: "the failures being past" });
    const summary = await summaryOf();
    expect(summary?.excludedNodes).toMatchObject([{ node: "n1", reason: expect.stringContaining("exit code 127") }]);
    expect(summary?.trouble).toBeNull();
    const [job] = liveJobs(slurm, "R");
    expect(slurm.run("scontrol", "show", "job", job as string)).toContain("ExcNodeList=n1");
  });

  it("B15: one black-hole node of a block of three harms none of the others", async () => {
    await using site = await startSite({
      slurm: { nodes: 3 },
      policy: { nodesPerBlock: 3, maxIdleTimeMs: 120_000 },
      config: { launcher: { type: "srun" }, workers: { init: BLACK_HOLE } },
    });
    const { slurm, farcall } = site;
    const where = farcall.command("sleep 1; echo $SLURMD_NODENAME").with({ maxAttempts: 1 });
    const said = await Promise.all(Array.from({ length: 8 }, () => where()));
    expect(new Set(said.map(({ stdout }) => stdout.trim()))).toEqual(new Set(["n2", "n3"]));
    expect(liveJobs(slurm, "R")).toHaveLength(1);
    expect((await farcall.endpoints.get("cluster")).summary?.trouble).toBeNull();
  });

  it("B15: where all nodes are bad, blocks are refused with their last words", async () => {
    const init = 'echo "no such file: /sw/modules on $SLURMD_NODENAME" >&2; exit 1';
    await using site = await startSite({ slurm: { nodes: 2 }, config: { workers: { init } } });
    const task = site.farcall.command("true").submit();
    await task.accepted;
    const troubleOf = async () => (await site.farcall.endpoints.get("cluster")).summary?.trouble ?? "";
    const open = async () => / blocks in a row failed: .*no such file: \/sw\/modules on n2/.test(await troubleOf());
    await waitFor(open, { what: "the circuit being open on both", timeoutMs: 150_000 });
    expect((await site.farcall.tasks.get(task.id)).waits?.message).toContain("no such file");
  });

  it("NODE_FAIL: a block whose node is lost takes no place any more; its task waits for the proof, and starts again then", async () => {
    await using site = await startSite({ config: { orphanTimeoutMs: 30_000 } });
    const { slurm, farcall } = site;
    const work = farcall.function(witness, { name: "work" }).with({ maxAttempts: 1 });
    const task = work.submit(evidence, "a", 6_000);
    await waitFor(() => readEvidence(evidence).length === 1, { what: "the start" });
    const { id } = await farcall.endpoints.get("cluster");
    const processes = findBlockProcesses(`${id}/`).map(({ pid }) => pid);
    // The node is frozen, and its slurmd is gone.
    const signal = (name: NodeJS.Signals) => processes.forEach((pid) => void tryKill(pid, name));
    const pidFile = join(slurm.dir, "slurmd-n1.pid");
    expect(existsSync(pidFile)).toBe(true);
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
    signal("SIGSTOP");
    try {
      slurm.run("scontrol", "update", "nodename=n1", "state=down", "reason=lost");
      const lost = async () => (await blocksOf(site)).some(({ state }) => state === "lost");
      await waitFor(lost, { what: "the loss being noticed", timeoutMs: 40_000 });
      const other = work.submit(evidence, "b", 100);
      // Another block is there while nobody knows whether the first one's work has ended.
      expect(await other).toBe("b");
      expect((await blocksOf(site)).map(({ state }) => state === "lost").sort()).toEqual([false, true]);
      expect((await farcall.tasks.get(task.id)).state).toBe("running");
      expect(await task).toBe("a");
    } finally {
      signal("SIGCONT");
    }
    const { attempts } = await farcall.tasks.get(task.id);
    expect(attempts.map(({ reason }) => reason)).toEqual(["NODE_FAIL", null]);
    expect(judge(readEvidence(evidence)).overlaps).toEqual([]);
  });
});

function tryKill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Ended already.
  }
}
