/** A real Slurm with a real slurmdbd on MariaDB: sacct, accounts, quality of service, limits. */
import { rmSync } from "node:fs";
import { userInfo } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { exitFilePath } from "../../../endpoint-agent/provider/batch/exit-file.ts";
import type { JobStatus } from "../../../endpoint-agent/provider/port.ts";
import { type Bench, openBench, openBlocks } from "../../endpoint-agent/provider/batch-support.ts";
import { type Slurm, startSlurm, whyNoSlurm } from "../../support/slurm.ts";
import { whyNoAccounting } from "../../support/slurm-accounting.ts";
import { waitFor } from "../../support/wait-for.ts";
import { liveJobs, startSite } from "./support.ts";

const missing = whyNoSlurm() ?? whyNoAccounting();
const user = userInfo().username;

describe.skipIf(missing)(`a real Slurm with accounting${missing ? ` (${missing})` : ""}`, () => {
  let slurm: Slurm;
  let bench: Bench;
  beforeAll(async () => {
    // What has ended is forgotten as soon as Slurm can.
    slurm = await startSlurm({ accounting: true, cpusPerNode: 4, conf: ["MinJobAge=2"] });
    slurm.run("sacctmgr", "-i", "add", "qos", "long", "MaxSubmitJobsPerUser=1");
    slurm.run("sacctmgr", "-i", "add", "qos", "other");
    slurm.run("sacctmgr", "-i", "modify", "user", user, "where", "account=lab", "set", "qos=normal,long");
  });
  afterAll(() => slurm?.stop());
  beforeEach(() => {
    bench = openBench({ bin: "/usr/bin" });
  });
  afterEach(async () => {
    slurm.run("scancel", "--signal=KILL", "--full", "--user", user);
    await waitFor(() => liveJobs(slurm).length === 0, { what: "the end of all jobs" });
    bench.close();
  });
  // An hour: nothing but Slurm's own word proves an end.
  const engineOf = (config: object = {}) =>
    bench.engine({
      config: bench.config({ exclusive: false, commandTimeoutMs: 30_000, ...config }),
      env: slurm.env,
      node: { cores: 1, memoryMb: 100, gpus: 0 },
      orphanTimeoutMs: 3_600_000,
    });
  const listed = (id: string) => slurm.run("squeue", "--states=all", "-h", "-o", "%i").split("\n").includes(id);
  const forgotten = (id: string) =>
    waitFor(() => !listed(id), { what: "slurmctld has forgotten the job", timeoutMs: 120_000 });
  const idOf = (job: string) => /^\d+/.exec(job)?.[0] as string;
  /** A job that runs, and is then killed without a word from it, and forgotten. */
  const vanished = async (engine: ReturnType<typeof engineOf>) => {
    const request = bench.request();
    const job = await engine.submit(request);
    await waitFor(() => liveJobs(slurm, "R").includes(idOf(job)), { what: "the job runs" });
    slurm.run("scancel", "--signal=KILL", "--full", idOf(job));
    await forgotten(idOf(job));
    rmSync(exitFilePath(request.dir), { force: true });
    return job;
  };

  it("finds in sacct how a job ended that slurmctld has forgotten", async () => {
    const engine = engineOf();
    const job = await vanished(engine);
    let end: JobStatus | undefined;
    const look = async () => {
      end = (await engine.status([job])).get(job);
      return end !== undefined;
    };
    await waitFor(look, { what: "its end" });
    expect(end).toMatchObject({ state: "gone", taken: true, reason: expect.stringMatching(/^CANCELLED/) });
  });

  it("knows of no end while slurmdbd is away, lists what runs, and learns the end once it is back", async () => {
    const engine = engineOf();
    const running = await engine.submit(bench.request());
    await slurm.stopAccounting();
    const job = await vanished(engine);
    await waitFor(async () => (await engine.status([running])).get(running)?.state === "running", { what: "running" });
    for (let looks = 0; looks < 5; looks++) {
      const states = await engine.status([running, job]);
      expect([states.get(running)?.state, states.get(job)]).toEqual(["running", undefined]);
    }
    expect(engine.trouble).toBe(null);
    await slurm.startAccounting();
    await waitFor(async () => (await engine.status([job])).get(job)?.state === "gone", {
      what: "its end",
      timeoutMs: 120_000,
    });
  });

  it.each([
    ["an account that nobody has", { account: "nobody" }, /Invalid account or account\/partition combination/],
    ["a quality of service that there is not", { qos: "none" }, /Invalid qos specification/],
    ["one that the account may not use", { account: "lab", qos: "other" }, /Invalid qos specification/],
  ])("refuses %s in Slurm's own words", async (_, config, words) => {
    await expect(engineOf(config).submit(bench.request())).rejects.toThrow(words);
    expect(liveJobs(slurm)).toEqual([]);
  });

  it("charges the account, with its quality of service", async () => {
    const job = await engineOf({ account: "lab", qos: "normal" }).submit(bench.request());
    expect(slurm.run("squeue", "-h", "-j", idOf(job), "-o", "%a %q")).toBe("lab normal\n");
  });

  it("goes on with as many blocks as MaxSubmitJobs allows, and says that it is the limit", async () => {
    const config = bench.config({ exclusive: false, account: "lab", qos: "long" });
    const engine = { config, env: slurm.env, node: { cores: 1, memoryMb: 100, gpus: 0 } };
    const of = await openBlocks(bench, { policy: { maxBlocks: 3 }, engine, launch: ["sleep", "600"] });
    try {
      of.wait(100);
      await waitFor(() => of.blocks.trouble !== null, { what: "the refusal", timeoutMs: 60_000 });
      expect(of.blocks.trouble).toMatch(/QOSMaxSubmitJobPerUserLimit|Job violates accounting\/QOS policy/);
      const running = () => of.blocks.summary().filter(({ state }) => state === "running").length;
      await waitFor(() => running() === 1, { what: "the one block that may be" });
      expect(liveJobs(slurm)).toHaveLength(1);
    } finally {
      of.blocks.close({ force: true });
      await of.close();
    }
  });
});

it.skipIf(missing)("an endpoint with a wrong account says so in Slurm's words, and what waits as well", async () => {
  await using site = await startSite({ slurm: { accounting: true }, provider: { account: "nobody" } });
  const { farcall } = site;
  const task = farcall.command("true").submit();
  // It ends with the site.
  task.catch(() => {});
  const trouble = async () => (await farcall.endpoints.get("cluster")).summary?.trouble ?? "";
  await waitFor(async () => (await trouble()).includes("Invalid account"), { what: "the trouble", timeoutMs: 60_000 });
  expect(await trouble()).toMatch(/sbatch.*Invalid account or account\/partition combination/s);
});
