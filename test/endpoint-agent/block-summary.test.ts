import { expect, it } from "vitest";
import { adoptedBlock, snapshotOf, summaryOfBlock } from "../../endpoint-agent/block.ts";
import { testManager } from "./support.ts";

const record = { kind: "block", id: "b1", job: null, submittedAt: 1_000, nodes: 2, walltimeMs: null } as const;

it("a block whose submission an earlier run of the agent did not see answered is in doubt, and says what is done about it", () => {
  expect(summaryOfBlock(adoptedBlock(record), [])).toMatchObject({
    state: "unknown",
    reason: "the scheduler is asked for it by its name",
    submittedAt: 1_000,
    endsAt: null,
  });
});

it("when one of an earlier run ends, its managers say: its walltime did not begin anew with this agent", () => {
  const block = adoptedBlock({ ...record, job: "17", walltimeMs: 3_600_000 });
  expect(snapshotOf(block, []).expiresAt).toBeNull();
  const manager = testManager({ remainingMs: 60_000 });
  expect(snapshotOf(block, [manager]).expiresAt).toBe(manager.expiresAt);
});

it("one whose job is known is what it was", () => {
  expect(summaryOfBlock(adoptedBlock({ ...record, job: "17" }), [])).toMatchObject({ state: "pending", reason: null });
});
