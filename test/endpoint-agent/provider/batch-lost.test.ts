import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { uptimeMs } from "../../../endpoint-agent/clock.ts";
import { jobName } from "../../../endpoint-agent/provider/batch/names.ts";
import type { JobId, JobStatus, Provider } from "../../../endpoint-agent/provider/port.ts";
import { createStandIn, type StandIn } from "../../support/stand-ins/stand-in.ts";
import { until } from "../support.ts";
import { type Bench, ENDPOINT, openBench } from "./batch-support.ts";

const HEADER = "JOBID|ST|STATE|REASON|START_TIME|NODELIST|NAME\n";

describe("jobs that the scheduler loses, doubles or mistakes", () => {
  let standIn: StandIn;
  let bench: Bench;
  const setUp = (settings: Record<string, unknown> = {}) => {
    standIn = createStandIn({ kind: "slurm", settings });
    bench = openBench(standIn);
  };
  beforeEach(() => setUp());
  afterEach(async () => {
    bench.close();
    await standIn.stop();
  });
  const live = () => standIn.jobs().filter(({ state }) => state !== "done");
  const calls = (name: string) => standIn.calls().filter(({ command }) => command === name).length;
  const statusOf = async (provider: Provider, job: JobId) => (await provider.status([job])).get(job);
  const untilStatus = (provider: Provider, job: JobId, wanted: (status: JobStatus | undefined) => boolean) =>
    until("the status", async () => wanted(await statusOf(provider, job)));
  const lists = async (provider: Provider, job: JobId, count: number) => {
    const before = calls("squeue");
    await until("it was asked again", async () => {
      await provider.status([job]);
      return calls("squeue") >= before + count;
    });
  };
  const started = async (provider: Provider, launch?: string[]) => {
    const request = bench.request(launch ? { launch } : {});
    const job = await provider.submit(request);
    await untilStatus(provider, job, (status) => status?.state === "running");
    return { job, request };
  };

  it("B11: a forgotten job whose managers answer is unknown for as long as they do, then until they are certainly dead", async () => {
    const provider = bench.engine();
    const { job, request } = await started(provider);
    bench.contacts.set(request.name, { at: uptimeMs(), connected: true });
    standIn.control({ forget: true });
    await lists(provider, job, 8);
    expect(await statusOf(provider, job)).toBeUndefined();
    // They fall silent: their watchdog gives them orphanTimeoutMs, 500 ms here.
    const silentSince = uptimeMs();
    bench.contacts.set(request.name, { at: silentSince, connected: false });
    await untilStatus(provider, job, (status) => status?.state === "gone");
    expect(uptimeMs() - silentSince).toBeGreaterThanOrEqual(700);
  });

  it("B11: a forgotten job is gone at once when its own exit-code file says so, whose last words are its reason", async () => {
    const provider = bench.engine({ orphanTimeoutMs: 3_600_000 });
    const go = join(bench.dir, "go");
    const script = `while [ ! -e ${go} ]; do sleep 0.1; done; echo 'no space left' >&2; exit 9`;
    const { job } = await started(provider, ["/bin/sh", "-c", script]);
    standIn.control({ forget: true });
    await lists(provider, job, 2);
    expect(await statusOf(provider, job)).toBeUndefined();
    writeFileSync(go, "");
    const reason = "its script has ended: exit code 9: no space left";
    let end: JobStatus | undefined;
    await untilStatus(provider, job, (status) => {
      end = status;
      return status?.state === "gone";
    });
    expect(end?.reason).toBe(reason);
  });

  it("B11: accounting, where there is any, knows the end of a forgotten job; that it runs there is believed too", async () => {
    await standIn.stop();
    bench.close();
    setUp({ accounting: true });
    const provider = bench.engine({ orphanTimeoutMs: 3_600_000 });
    const { job } = await started(provider);
    standIn.control({ forget: true });
    await lists(provider, job, 3);
    expect(await statusOf(provider, job)).toBeUndefined();
    await provider.cancel([job], { force: true });
    await untilStatus(provider, job, (status) => status?.state === "gone" && status.taken === true);
  });

  it("NODE_FAIL: a lost node's job takes no place at once, and is gone only when its managers are certainly dead", async () => {
    await standIn.stop();
    bench.close();
    setUp({ killed: "NODE_FAIL" });
    const provider = bench.engine({ orphanTimeoutMs: 1_500 });
    const { job, request } = await started(provider);
    const silentSince = uptimeMs();
    bench.contacts.set(request.name, { at: silentSince, connected: true });
    standIn.control({ kill: [1] });
    await until("Slurm has given it up", () => live().length === 0);
    await lists(provider, job, 3);
    bench.contacts.set(request.name, { at: uptimeMs(), connected: false });
    expect(await statusOf(provider, job)).toEqual({ state: "lost", reason: "NODE_FAIL", cause: "node-failed" });
    await untilStatus(provider, job, (status) => status?.state === "gone" && status.cause === "node-failed");
    expect(uptimeMs() - silentSince).toBeGreaterThanOrEqual(1_700);
  });

  it("B13: another job under the same id is not taken for the block's", async () => {
    const provider = bench.engine({ orphanTimeoutMs: 3_600_000 });
    const { job } = await started(provider);
    const [known] = standIn.jobs();
    const mangled = `${HEADER}${known?.id}|CD|COMPLETED|None|N/A|n1|somebody-elses\n`;
    standIn.fault({ command: "squeue", do: "mangle", text: mangled });
    await lists(provider, job, 4);
    expect(await statusOf(provider, job)).toBeUndefined();
  });

  it("B12: a submission that hangs after it has worked is found by its name and adopted", async () => {
    const config = bench.config({ commandTimeoutMs: 1_000 });
    const provider = bench.engine({ config });
    standIn.fault({ command: "sbatch", do: "lose" });
    const request = bench.request();
    await expect(provider.submit(request)).rejects.toThrow("sbatch: no answer within 1 s");
    const job = await provider.find(request.name);
    expect(job).toBe(`${live()[0]?.id}/${request.name}`);
  });

  it("B12: a submission that worked late, when it had been given up, is cancelled", async () => {
    const provider = bench.engine();
    standIn.fault({
      command: "sbatch",
      do: "lose",
      code: 1,
      stderr: "sbatch: error: Socket timed out on send/recv operation\n",
    });
    standIn.control({ forget: true, neverStart: true });
    const request = bench.request();
    await expect(provider.submit(request)).rejects.toThrow("Socket timed out");
    await expect(provider.find(request.name)).rejects.toThrow("not known yet");
    const found: (JobId | undefined)[] = [];
    await until("it is given up", async () => {
      return provider.find(request.name).then(
        (job) => found.push(job) > 0,
        () => false,
      );
    });
    expect(found).toEqual([undefined]);
    standIn.control({ forget: [] });
    await until("it is cancelled", async () => {
      await provider.status([]);
      return live().length === 0;
    });
  });

  it("B12: a refusal that leaves a failed job of the name behind is no job", async () => {
    const provider = bench.engine();
    standIn.fault({
      command: "sbatch",
      do: "answer",
      code: 1,
      stderr: "sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
    });
    const request = bench.request();
    await expect(provider.submit(request)).rejects.toThrow("Requested node configuration is not available");
    const name = jobName(ENDPOINT, request.name, 64);
    standIn.fault({ command: "squeue", do: "mangle", text: `${HEADER}7|F|FAILED|BadConstraints|N/A||${name}\n` });
    await until("it is certain", () =>
      provider.find(request.name).then(
        (job) => job === undefined,
        () => false,
      ),
    );
  });

  it("B12: of two jobs for one block the unknown one is cancelled", async () => {
    const provider = bench.engine();
    const { job, request } = await started(provider);
    const again = bench.engine({ known: [request.name] });
    await again.submit(request);
    expect(live()).toHaveLength(2);
    await until("one is left", async () => {
      await provider.status([job]);
      return live().length === 1;
    });
    expect(`${live()[0]?.id}/${request.name}`).toBe(job);
  });

  it("jobs that an earlier agent left behind are found at the start by their name, and cancelled; others are not touched", async () => {
    const before = bench.engine();
    const { job, request } = await started(before);
    await started(before);
    const foreign = bench.engine({ endpoint: "01990000-0000-7000-8000-00000000ffff" });
    await foreign.submit(bench.request());
    expect(live()).toHaveLength(3);
    standIn.fault({ command: "scancel", do: "ignore", times: 2 });
    const after = bench.engine({ known: [request.name] });
    await until("the stray is gone", () => live().length === 2);
    expect(await statusOf(after, job)).toMatchObject({ state: "running" });
    expect(live().map(({ id }) => id)).toEqual(["1", "3"]);
  });

  it("a script's good end is believed before the list has it, a half-written file is not", async () => {
    const provider = bench.engine({ orphanTimeoutMs: 3_600_000 });
    const { job, request } = await started(provider);
    const file = join(request.dir, "exit");
    writeFileSync(file, "incarnation=a-1-2\nhost=a\nstart=1\nend=2\ncode=0\n");
    expect(await statusOf(provider, job)).toMatchObject({ state: "running" });
    writeFileSync(file, "incarnation=a-1-2\nhost=a\nstart=1\nend=2\ncode=0\ncomplete=1\n");
    expect(await statusOf(provider, job)).toEqual({ state: "gone", reason: "its script has ended" });
  });
});
