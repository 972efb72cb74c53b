/** Where a real Slurm puts blocks: features, reservations, memory, lists of partitions, whole nodes; and how it warns. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newId } from "../../../protocol/ids.ts";
import { type Bench, openBench } from "../../endpoint-agent/provider/batch-support.ts";
import { type Slurm, startSlurm, whyNoSlurm } from "../../support/slurm.ts";
import { waitFor } from "../../support/wait-for.ts";
import { liveJobs } from "./support.ts";

const missing = whyNoSlurm();
const NODES = [
  "",
  "RealMemory=500 Feature=old,slow",
  "RealMemory=900 Feature=new,fast",
  "RealMemory=1900 Feature=new,fat",
];

describe.skipIf(missing)(`placement by a real Slurm${missing ? ` (${missing})` : ""}`, () => {
  let slurm: Slurm;
  let bench: Bench;
  beforeAll(async () => {
    slurm = await startSlurm({
      nodes: 3,
      cpusPerNode: 2,
      nodeConf: (node) => NODES[node] as string,
      conf: [
        "SelectTypeParameters=CR_Core_Memory",
        "PartitionName=small Nodes=n1 MaxTime=INFINITE State=UP",
        "PartitionName=short Nodes=n2 MaxTime=5 State=UP",
        "PartitionName=closed Nodes=n3 State=DOWN",
      ],
    });
  });
  afterAll(() => slurm?.stop());
  beforeEach(() => {
    bench = openBench({ bin: "/usr/bin" });
  });
  afterEach(async () => {
    slurm.run("scancel", "--signal=KILL", "--full", "--me");
    await waitFor(() => liveJobs(slurm).length === 0, { what: "the end of all jobs" });
    bench.close();
  });
  const engineOf = (config: object = {}, memoryMb = 100) =>
    bench.engine({
      // Each its own, as one endpoint cancels the jobs that it does not know.
      endpoint: newId(),
      config: bench.config({ exclusive: false, ...config }),
      env: slurm.env,
      node: { cores: 1, memoryMb, gpus: 0 },
    });
  const idOf = (job: string) => /^\d+/.exec(job)?.[0] as string;
  const seen = (job: string, format: string) => slurm.run("squeue", "-h", "-j", idOf(job), "-o", format).trim();
  const runs = (job: string) =>
    waitFor(() => liveJobs(slurm, "R").includes(idOf(job)), { what: "the job runs" }).catch((error) => {
      throw new Error(
        `${error.message}: ${slurm.run("squeue", "--states=all")}${slurm.run("sinfo", "-N", "-o", "%N %t %E")}`,
      );
    });
  const placed = async (config: object, memoryMb?: number) => {
    const job = await engineOf(config, memoryMb).submit(bench.request());
    await runs(job);
    return seen(job, "%N");
  };

  it("takes nodes with the features that are asked for, and says so when there are none", async () => {
    expect(await placed({ constraint: "fat" })).toBe("n3");
    expect(await placed({ constraint: "new", nodeType: "fast" })).toBe("n2");
    await expect(engineOf({ constraint: "gold" }).submit(bench.request())).rejects.toThrow(/Invalid feature/);
  });

  it("takes nodes with the memory that is asked for, and says so when none has it", async () => {
    expect(await placed({ requestMemory: true }, 1_500)).toBe("n3");
    const job = engineOf({ requestMemory: true }, 5_000).submit(bench.request());
    await expect(job).rejects.toThrow(/Memory|node configuration is not available/i);
  });

  it("takes the first partition of a list that can run it", async () => {
    const first = await engineOf({ queue: "small", exclusive: true }).submit(bench.request());
    await runs(first);
    const second = await engineOf({ queue: "small,short" }).submit(bench.request({ walltimeMs: 120_000 }));
    await runs(second);
    expect([seen(first, "%P %N"), seen(second, "%P %N")]).toEqual(["small n1", "short n2"]);
  });

  it("says why a block waits for a partition that is down, and which walltime is too long", async () => {
    const engine = engineOf({ queue: "closed" });
    const job = await engine.submit(bench.request());
    let reason: string | null | undefined;
    await waitFor(
      async () => {
        reason = (await engine.status([job])).get(job)?.reason;
        return reason?.includes("Partition") === true;
      },
      { what: "the reason" },
    );
    expect(reason).toMatch(/^PENDING \(PartitionDown/);
    // Slurm takes it all the same, unless EnforcePartLimits says otherwise: it would wait for ever.
    const short = engineOf({ queue: "short" });
    const long = await short.submit(bench.request({ walltimeMs: 3_600_000 }));
    await waitFor(async () => (await short.status([long])).get(long)?.hopeless === true, {
      what: "that it is hopeless",
    });
    expect((await short.status([long])).get(long)?.reason).toMatch(/^PENDING \(Partition(TimeLimit|Config)/);
  });

  it("runs in a reservation, waits for one that has not begun, and is told of one that there is not", async () => {
    const add = (name: string, start: string, nodes: string) =>
      slurm.run(
        "scontrol",
        "create",
        "reservation",
        `ReservationName=${name}`,
        `StartTime=${start}`,
        "Duration=60",
        `Nodes=${nodes}`,
        "Users=root",
        "Flags=IGNORE_JOBS",
      );
    add("ours", "now", "n3");
    add("later", "now+2hours", "n2");
    expect(await placed({ reservation: "ours" })).toBe("n3");
    const engine = engineOf({ reservation: "later" });
    const job = await engine.submit(bench.request());
    await waitFor(async () => /Reservation/.test((await engine.status([job])).get(job)?.reason ?? ""), {
      what: "the reason",
    });
    expect((await engine.status([job])).get(job)).toMatchObject({ state: "pending" });
    await expect(engineOf({ reservation: "nobody" }).submit(bench.request())).rejects.toThrow(/reservation is invalid/);
    slurm.run("scancel", "--me");
    await waitFor(() => liveJobs(slurm).length === 0, { what: "the end of all jobs" });
    for (const name of ["ours", "later"]) slurm.run("scontrol", "delete", `reservation=${name}`);
  });

  it("gives whole nodes, or parts of them", async () => {
    const part = { constraint: "fast", requestMemory: true };
    const nodes = [await engineOf(part).submit(bench.request()), await engineOf(part).submit(bench.request())];
    for (const job of nodes) await runs(job);
    const whole = await engineOf({ constraint: "fast", exclusive: true }).submit(bench.request());
    await waitFor(() => /Resources|Priority/.test(seen(whole, "%r")), { what: "the third waits for all of it" });
  });
});
