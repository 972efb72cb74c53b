/** FAULTS.md A9: the agent may open few files. A whole stack; the agent under prlimit. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { limitProcesses, whyNoProcessLimit } from "../support/process-limit.ts";
import { startStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

describe.skipIf(process.platform !== "linux")("an agent that may open few files", { timeout: 90_000 }, () => {
  it("A9: goes on under load without one to spare, and is well again when there are some", async () => {
    const policy = { workersPerNode: 1, maxBlocks: 4 };
    const stack = await startStack({ endpoints: [{ name: "laptop", config: { node: { cores: 1 }, policy } }] });
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(async () => {
      await farcall.close();
      await stack.stop();
    });
    await stack.kill("agent");
    const agent = await startOwnAgent({ dir: stack.endpoints[0]?.dir ?? "" });
    cleanup.push(agent.stop);
    const evidence = join(stack.dir, "evidence");
    const run = farcall.function(witness, { name: "witness" });
    const large = farcall.function((bytes: number) => "x".repeat(bytes), { name: "large" });
    expect(await run(evidence, "warm", 1)).toBe("warm");
    expect(await large(300_000)).toHaveLength(300_000);

    const open = new Set(readdirSync(`/proc/${agent.pid}/fd`));
    let spare = 0;
    while (open.has(String(spare))) spare++;
    const allow = (files: number) => execFileSync("prlimit", ["--pid", String(agent.pid), `--nofile=${files}:`]);
    // Not one more than it has: no block can be started, no manager can connect, no blob can be put on disk.
    allow(spare);
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const calls = Promise.all(keys.map((key) => run(evidence, key, 50)));
    // The agent puts large results on its disk before it sends them on.
    const blobs = Promise.all([large(400_000), large(500_000), large(600_000)]);
    expect(await calls, "what needs no file").toEqual(keys);
    expect(agent.running(), agent.log().slice(-2_000)).toBe(true);
    const trouble = async () => (await farcall.endpoints.get("laptop")).summary?.trouble ?? "";
    await waitFor(async () => (await trouble()).includes("EMFILE"), { what: "the trouble in the endpoint's state" });
    allow(1_024);
    expect((await blobs).map((text) => text.length)).toEqual([400_000, 500_000, 600_000]);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect(overlaps).toEqual([]);
    expect([...starts.values()].filter((count) => count > 1)).toEqual([]);
    expect(agent.running()).toBe(true);
  });

  it("A9: with 64 files in all, and at times no process to spare, all calls end, each in one attempt", async () => {
    const policy = { workersPerNode: 1, maxBlocks: 4 };
    const stack = await startStack({ endpoints: [{ name: "laptop", config: { node: { cores: 1 }, policy } }] });
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(async () => {
      await farcall.close();
      await stack.stop();
    });
    await stack.kill("agent");
    const dir = stack.endpoints[0]?.dir ?? "";
    let limit: Awaited<ReturnType<typeof limitProcesses>> | undefined;
    cleanup.push(() => limit?.remove());
    const agent = await startOwnAgent({ dir, command: ["prlimit", "--nofile=64", "--"] });
    cleanup.push(agent.stop);
    const evidence = join(stack.dir, "evidence");
    const run = farcall.function(witness, { name: "witness" });
    if (!whyNoProcessLimit()) limit = await limitProcesses(agent.pid);
    limit?.none();
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
    const calls = Promise.all(keys.map((key) => run(evidence, key, 20)));
    const trouble = async () => JSON.stringify((await farcall.endpoints.get("laptop")).summary ?? {});
    if (limit) await waitFor(async () => (await trouble()).includes("EAGAIN"), { what: "the trouble to be said" });
    expect(agent.running(), agent.log().slice(-2_000)).toBe(true);
    limit?.any();
    expect(await calls).toEqual(keys);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect([overlaps, [...starts.values()].filter((count) => count > 1)]).toEqual([[], []]);
    expect(agent.running()).toBe(true);
  });
});
