/** FAULTS.md A10: the file system of the home directory does not answer. A whole stack, its endpoint on a FUSE mount. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { startStack } from "../support/stack.ts";
import { mountStalling, whyNoStall } from "../support/stalling-directory.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoStall();
describe.skipIf(why)(`a home directory that hangs${why ? ` (skipped: ${why})` : ""}`, { timeout: 90_000 }, () => {
  it("A10: the heartbeat goes on and tells of it, running work ends, new work waits; then all goes on", async () => {
    const dir = mkdtempSync(join(tmpdir(), "farcall-stall-"));
    cleanup.push(() => rmSync(dir, { recursive: true, force: true }));
    const state = join(dir, "endpoints", "laptop", "state");
    const home = await mountStalling(state);
    cleanup.push(home.unmount);
    const config = { orphanTimeoutMs: 30_000, node: { cores: 2 }, policy: { workersPerNode: 2 } };
    const stack = await startStack({ dir, endpoints: [{ name: "laptop", config }] });
    cleanup.push(() => stack.stop());
    await stack.kill("agent");
    // Its log too is on the disk that hangs.
    const command = ["sh", "-c", `exec "$@" 2>>"${join(state, "log")}"`, "sh"];
    const agent = await startOwnAgent({ dir: stack.endpoints[0]?.dir ?? "", command });
    cleanup.push(agent.stop);
    cleanup.push(home.goOn);
    const farcall = new Farcall({ url: stack.url, token: stack.token });
    cleanup.push(() => farcall.close());
    const evidence = join(dir, "evidence");
    const call = (key: string, ms: number) => farcall.function(witness, { name: "witness" }).submit(evidence, key, ms);
    const begun = (key: string) =>
      waitFor(() => readEvidence(evidence).some((line) => line.key === key), { what: `the start of ${key}` });
    const trouble = async () => (await farcall.endpoints.get("laptop")).summary?.trouble ?? null;

    const task = call("a", 3_000);
    await begun("a");
    home.stall();
    // Something to log.
    await stack.kill("nats");
    await stack.restart("nats");
    expect(await task).toBe("a");
    // Said by a heartbeat of the agent whose disk it is, so that one goes on.
    await waitFor(async () => (await trouble())?.includes("does not answer") ?? false, { what: "the trouble" });
    const later = call("b", 1);
    home.goOn();
    expect(await later).toBe("b");
    await waitFor(async () => (await trouble()) === null, { what: "the end of the trouble" });
    expect(Object.fromEntries(judge(readEvidence(evidence)).starts)).toEqual({ a: 1, b: 1 });
  });
});
