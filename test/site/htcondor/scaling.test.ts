import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Farcall } from "../../../sdk/index.ts";
import { createWorld, eventually, isGone, isRunning, type Site } from "../../endpoint-agent/provider/site.ts";
import { type Htcondor, startHtcondor, whyNoHtcondor } from "../../support/htcondor/htcondor.ts";
import { startStack } from "../../support/stack.ts";
import { waitFor } from "../../support/wait-for.ts";

const missing = whyNoHtcondor();

/** Ids of the jobs that have not ended. */
const liveJobs = (htcondor: Htcondor) =>
  htcondor
    .run("condor_q", "-constraint", "JobStatus != 4", "-af:j", "JobStatus")
    .split("\n")
    .filter((line) => line !== "");

const siteOf = (htcondor: Htcondor, config: Partial<Site["config"]> = {}): Site => ({
  config: { type: "htcondor", binDir: htcondor.bin, ...config },
  stop: htcondor.stop,
});

describe.skipIf(missing)(`a real HTCondor${missing ? ` (${missing})` : ""}`, () => {
  it("is scaled by a call from no block to one and back to none", async () => {
    await using htcondor = await startHtcondor();
    const config = {
      provider: { type: "htcondor", binDir: htcondor.bin, statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 1_000, walltimeMs: 600_000 },
      node: { cores: 2, memoryMb: 500 },
      link: { address: "127.0.0.1" },
    };
    await using stack = await startStack({ endpoints: [{ name: "cluster", config }] });
    await using farcall = new Farcall({ url: stack.url, token: stack.token });
    expect(liveJobs(htcondor)).toEqual([]);
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(liveJobs(htcondor)).toHaveLength(1);
    const blocks = async () => (await farcall.endpoints.get("cluster")).summary?.blocks ?? [];
    const none = async () => (await blocks()).length === 0 || (await sleep(500, false));
    await waitFor(none, { what: "no block", timeoutMs: 120_000 });
    expect(liveJobs(htcondor)).toEqual([]);
  });

  it("B6: a block that loses its place is not started again, but removed", async () => {
    await using htcondor = await startHtcondor();
    const world = createWorld(siteOf(htcondor));
    const block = world.request("echo start >>starts; sleep 300");
    const job = await world.provider.submit(block);
    await world.until(job, isRunning, "the start");
    await waitFor(() => existsSync(join(block.dir, "starts")), { what: "the script" });
    htcondor.run("condor_vacate_job", job.split("/")[0] as string);
    const end = await world.until(job, isGone, "the end");
    expect(end.taken).toBe(true);
    expect(readFileSync(join(block.dir, "starts"), "utf8")).toBe("start\n");
    world.stop();
  });

  it("holds what cannot be started, which is hopeless, and tells why", async () => {
    await using htcondor = await startHtcondor();
    const world = createWorld(siteOf(htcondor, { directives: ["input = /no/such/file"] }));
    const job = await world.provider.submit(world.request("true"));
    const status = await world.until(job, (now) => now?.state === "held", "the hold");
    expect(status).toMatchObject({ hopeless: true, reason: expect.stringContaining("/no/such/file") });
    await world.provider.cancel([job], { force: false });
    expect((await world.until(job, isGone, "the end")).taken).toBe(true);
    world.stop();
  });

  it("shows the end of a block that was cancelled before it was started", async () => {
    await using htcondor = await startHtcondor();
    const world = createWorld(siteOf(htcondor, { constraint: "Name==42" }));
    const job = await world.provider.submit(world.request("true"));
    await world.until(job, (now) => now?.state === "pending", "the wait");
    await world.provider.cancel([job], { force: false });
    expect((await world.until(job, isGone, "the end")).taken).toBe(true);
    world.stop();
  });

  it("B12: a submission to a queue that hangs ends in one job or in none, and it is known which", async () => {
    await using htcondor = await startHtcondor();
    const world = createWorld(siteOf(htcondor, { commandTimeoutMs: 2_000 }));
    const block = world.request("sleep 300");
    const resume = htcondor.pauseQueue();
    await expect(world.provider.submit(block)).rejects.toThrow("no answer within 2 s");
    await expect(world.provider.find(block.name)).rejects.toThrow();
    resume();
    const job = await eventually(() => world.provider.find(block.name));
    expect(liveJobs(htcondor)).toHaveLength(job === undefined ? 0 : 1);
    world.stop();
  });

  it("gives its jobs a home and a user", async () => {
    await using htcondor = await startHtcondor();
    const world = createWorld(siteOf(htcondor));
    const block = world.request("echo $USER at $HOME in $PWD");
    const job = await world.provider.submit(block);
    await world.until(job, isGone, "the end");
    await waitFor(() => world.readLog(block.name).includes("at"), { what: "its output" });
    expect(world.readLog(block.name)).toBe(`farcall at /tmp in ${block.dir}\n`);
    world.stop();
  });
});
