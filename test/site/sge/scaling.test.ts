import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Farcall } from "../../../sdk/index.ts";
import { createWorld, eventually, isGone } from "../../endpoint-agent/provider/site.ts";
import { type Sge, startSge, whyNoSge } from "../../support/sge/sge.ts";
import { startStack } from "../../support/stack.ts";
import { waitFor } from "../../support/wait-for.ts";

const missing = whyNoSge();

/** Ids of the jobs that qstat lists. */
const liveJobs = (sge: Sge) => [...sge.run("qstat").matchAll(/^ +(\d+) /gm)].map(([, id]) => id);

describe.skipIf(missing)(`a real Grid Engine${missing ? ` (${missing})` : ""}`, () => {
  it("is scaled by a call from no block to one and back to none", async () => {
    await using sge = await startSge();
    const config = {
      provider: { type: "sge", parallelEnvironment: "smp", statusIntervalMs: 10_000 },
      policy: { maxBlocks: 1, maxIdleTimeMs: 1_000, walltimeMs: 600_000 },
      node: { cores: 2, memoryMb: 500 },
      link: { address: "127.0.0.1" },
    };
    await using stack = await startStack({ endpoints: [{ name: "cluster", config }], env: sge.env });
    await using farcall = new Farcall({ url: stack.url, token: stack.token });
    expect(liveJobs(sge)).toEqual([]);
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(liveJobs(sge)).toHaveLength(1);
    const blocks = async () => (await farcall.endpoints.get("cluster")).summary?.blocks ?? [];
    const none = async () => (await blocks()).length === 0 || (await sleep(500, false));
    await waitFor(none, { what: "no block", timeoutMs: 120_000 });
    expect(liveJobs(sge)).toEqual([]);
  });

  it("shows the end of blocks that were cancelled before they were started, of which it keeps no record", async () => {
    await using sge = await startSge({ slots: 1 });
    const world = createWorld({ config: { type: "sge" }, env: sge.env, stop: sge.stop });
    const first = await world.provider.submit(world.request("sleep 300"));
    const second = await world.provider.submit(world.request("sleep 300"));
    await world.until(second, (status) => status?.state === "pending", "the wait");
    const third = await world.other({ directives: ["-h"] }).provider.submit(world.request("true"));
    await world.until(third, (status) => status?.state === "held", "the hold");
    await world.provider.cancel([second, third], { force: false });
    for (const job of [second, third]) {
      const end = await world.until(job, isGone, "the end");
      expect(end).toMatchObject({ taken: true, reason: "ended before it was started" });
    }
    await world.provider.cancel([first], { force: false });
    await world.until(first, isGone, "the other end");
    world.stop();
  });

  it("holds what cannot be started in error, which is hopeless", async () => {
    await using sge = await startSge();
    const world = createWorld({
      config: { type: "sge", directives: ["-wd /no/such/directory"] },
      env: sge.env,
      stop: sge.stop,
    });
    const block = world.request("true");
    const job = await world.provider.submit(block);
    const status = await world.until(job, (now) => now?.state === "held", "the error");
    expect(status).toMatchObject({ hopeless: true, reason: expect.stringContaining("Eqw") });
    expect(existsSync(join(block.dir, "exit"))).toBe(false);
    await world.provider.cancel([job], { force: false });
    await world.until(job, isGone, "the end");
    world.stop();
  });

  it("B12: a submission to a master that hangs ends in one job or in none, and it is known which", async () => {
    await using sge = await startSge();
    const world = createWorld({ config: { type: "sge", commandTimeoutMs: 2_000 }, env: sge.env, stop: sge.stop });
    const block = world.request("sleep 300");
    sge.pauseMaster();
    await expect(world.provider.submit(block)).rejects.toThrow("no answer within 2 s");
    await expect(world.provider.find(block.name)).rejects.toThrow();
    sge.resumeMaster();
    const job = await eventually(() => world.provider.find(block.name));
    expect(liveJobs(sge)).toHaveLength(job === undefined ? 0 : 1);
    world.stop();
  });

  it("is not believed to have lost its jobs while its master is stopped", async () => {
    await using sge = await startSge();
    const world = createWorld({ config: { type: "sge" }, env: sge.env, stop: sge.stop });
    const job = await world.provider.submit(world.request("sleep 15; exit 4"));
    await world.until(job, (now) => now?.state === "running", "the start");
    await sge.stopMaster();
    await waitFor(async () => (await world.provider.status([job])).get(job) === undefined, { what: "no answer" });
    await waitFor(
      async () => {
        expect((await world.provider.status([job])).get(job)).toBeUndefined();
        return world.provider.trouble !== null;
      },
      { what: "the trouble", timeoutMs: 60_000 },
    );
    expect(world.provider.trouble).toMatch(/qmaster|commlib/);
    await sge.startMaster();
    const end = await world.until(job, isGone, "the end");
    expect(end.reason).toContain("exit code 4");
    world.stop();
  });
});
