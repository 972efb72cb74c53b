/** FAULTS.md A4: an agent behind a black hole, with work that runs. A whole stack, real processes. */
import { afterEach, describe, expect, it } from "vitest";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { startCutOffStack } from "../support/cut-off-stack.ts";
import { judge, readEvidence } from "../support/evidence.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

describe("an agent behind a black hole", { timeout: 90_000 }, () => {
  it("A4: kills nothing while its deadline has not passed: results are kept and come, in one attempt", async () => {
    const config = { orphanTimeoutMs: 60_000, node: { cores: 2 }, policy: { workersPerNode: 2 } };
    const { stack, farcall, call, evidence, cutOff, reconnect, stop } = await startCutOffStack(config);
    cleanup.push(async () => {
      await stop();
      expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
    });
    expect(await call("warm", 1)).toBe("warm");
    const phases = (key: string, phase: string) =>
      readEvidence(evidence).filter((line) => line.key === key && line.phase === phase).length;
    const tasks = [call("ends-within", 3_000), call("ends-after", 14_000)];
    await waitFor(() => phases("ends-within", "start") === 1 && phases("ends-after", "start") === 1);
    cutOff();
    // Longer than a receipt, a result and a pull wait for the gateway, and than a heartbeat does.
    await waitFor(() => phases("ends-within", "end") === 1, { what: "an end behind the black hole" });
    const heldUntil = performance.now() + 9_000;
    await waitFor(() => performance.now() > heldUntil);
    expect((await farcall.tasks.get(tasks[0]?.id ?? "")).state).toBe("running");
    reconnect();
    expect(await Promise.all(tasks)).toEqual(["ends-within", "ends-after"]);
    const { starts, overlaps } = judge(readEvidence(evidence));
    expect(overlaps, "I3: two live attempts").toEqual([]);
    expect(Object.fromEntries(starts)).toEqual({ warm: 1, "ends-within": 1, "ends-after": 1 });
    for (const { id } of tasks) expect((await farcall.tasks.get(id)).attempts).toHaveLength(1);
  });
});
