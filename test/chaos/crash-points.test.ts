/** FAULTS.md A1: an agent or a manager that dies at a named point (endpoint-agent/crash-point.ts). A whole stack, real processes. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBlockProcesses } from "../../endpoint-agent/provider/block-processes.ts";
import { Farcall } from "../../sdk/index.ts";
import { judge, readEvidence, witness } from "../support/evidence.ts";
import { startOwnAgent } from "../support/own-agent.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait-for.ts";

const OF_AGENT = [
  "epoch-given",
  "epoch-journaled",
  "block-submitted",
  "manager-journaled",
  "tasks-received",
  "starts-received",
  "results-received",
  "results-journaled",
  "results-committed",
];
const OF_MANAGER = ["manager-tasks-received", "manager-tasks-placed"];

describe("A1: a process that dies at a point", () => {
  let stack: TestStack;
  let farcall: Farcall;

  beforeAll(async () => {
    const config = { orphanTimeoutMs: 20_000, node: { cores: 2 }, policy: { workersPerNode: 2, maxIdleTimeMs: 500 } };
    stack = await startStack({ endpoints: [{ name: "laptop", config }] });
    await stack.kill("agent");
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterAll(async () => {
    await farcall.close();
    await stack.stop();
    expect(findBlockProcesses(`${stack.endpoint}/`), "I6: nothing of a block is left").toEqual([]);
  });

  it.each([...OF_AGENT, ...OF_MANAGER])("A1: at %s: nothing is lost, nothing runs twice at once", async (point) => {
    const crashed = join(stack.dir, `crashed-${point}`);
    const evidence = join(stack.dir, `evidence-${point}`);
    const dir = stack.endpoints[0]?.dir ?? "";
    const env = { NODE_ENV: "test", FARCALL_CRASH: `${point}=${crashed}` };
    const run = farcall.function(witness, { name: "witness" });
    const often = ["a", "b", "c", "d"];
    const once = ["x", "y"];
    const values = Promise.allSettled(often.map((key) => run(evidence, key, 300)));
    const ends = Promise.allSettled(once.map((key) => run.with({ delivery: "at-most-once" })(evidence, key, 300)));
    let agent = await startOwnAgent({ dir, env }).catch(() => undefined);
    try {
      // Results go to the journal only while no gateway takes them.
      if (point === "results-journaled") {
        await waitFor(() => readEvidence(evidence).length > 0, { what: "a start" });
        await stack.kill("gateway");
      }
      await waitFor(() => existsSync(crashed), { what: `the death at ${point}` });
      if (point === "results-journaled") await stack.restart("gateway");
      if (OF_AGENT.includes(point)) {
        await agent?.code();
        agent = await startOwnAgent({ dir, env });
      }
      expect((await values).map((end) => (end.status === "fulfilled" ? end.value : end.reason))).toEqual(often);
      const codes = (await ends).map((end) => (end.status === "fulfilled" ? "succeeded" : end.reason.code));
      expect(codes.filter((code) => !["succeeded", "MAYBE_RAN"].includes(code))).toEqual([]);
      const { starts, overlaps } = judge(readEvidence(evidence));
      expect(overlaps, "I3: two live attempts").toEqual([]);
      // The agent's death costs no attempt; a manager takes what it runs with it.
      const most = OF_AGENT.includes(point) ? 1 : 2;
      for (const key of often) expect(starts.get(key), key).toBeLessThanOrEqual(most);
      for (const key of once) expect(starts.get(key) ?? 0, key).toBeLessThanOrEqual(1);
      if (OF_AGENT.includes(point)) expect(codes).toEqual(["succeeded", "succeeded"]);
    } finally {
      await agent?.stop();
    }
  });
});
