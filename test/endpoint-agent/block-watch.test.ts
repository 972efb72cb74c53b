import { expect, it } from "vitest";
import { newBlock } from "../../endpoint-agent/block.ts";
import { createWatch } from "../../endpoint-agent/block-watch.ts";
import { EndpointConfig, settle } from "../../endpoint-agent/config.ts";
import type { JobStatus } from "../../endpoint-agent/provider/port.ts";

/** Looks once at a block that keeps away from node n1; returns which blocks were cancelled. */
async function lookAt(state: "pending" | "running", inVain: boolean): Promise<string[]> {
  const { policy } = settle(EndpointConfig.parse({ name: "x" }));
  const block = { ...newBlock(policy), job: "17", exclude: ["n1"] };
  const cancelled: string[] = [];
  const status: JobStatus = { state, reason: "qw" };
  const watch = createWatch({
    blocks: new Map([[block.id, block]]),
    policy,
    provider: { statusIntervalMs: 20, status: async () => new Map([["17", status]]) } as never,
    files: {} as never,
    managers: { of: () => [] },
    journal: {} as never,
    breaker: {} as never,
    badNodes: { inVain: (exclude) => inVain && exclude.includes("n1") },
    log: { warn() {} } as never,
    closed: () => false,
    unexplained: new Set(),
    acts: { cancel: ({ job }: { job: string }) => void cancelled.push(job), changed() {} } as never,
  });
  await watch();
  return cancelled;
}

it("B15: a block that waits without nodes that were let in again is asked for anew, once it has nowhere else to come up", async () => {
  expect(await lookAt("pending", true)).toEqual(["17"]);
  expect(await lookAt("pending", false)).toEqual([]);
  expect(await lookAt("running", true)).toEqual([]);
});
