import { expect, it } from "vitest";
import { explainLeased } from "../../gateway/use-cases/explain-wait.ts";

const view = { endpointName: "cluster" };
const block = { id: "b", job: null, state: "unknown", reason: "Invalid qos", since: 0, nodes: 1, slots: 0, busy: 0 };
const summary = (changes: object) => ({ slots: 0, busy: 0, blocks: [block], trouble: null, ...changes }) as never;

it("a task that was handed out for a slot that went with its block is told what the next block waits for", () => {
  expect(explainLeased(view, summary({}))).toEqual({
    reason: "block-unknown",
    message: "whether block b was submitted is not known: Invalid qos",
  });
  expect(explainLeased(view, summary({ trouble: "three failed" })).message).toBe("cluster: three failed");
});

it("a block that has no job yet is being submitted", () => {
  const submitting = { ...block, state: "pending", reason: null };
  expect(explainLeased(view, summary({ blocks: [submitting] }), 7_000)).toEqual({
    reason: "block-pending",
    message: "block b is being submitted, for 7 s now",
  });
});

it("a block whose job is known says what is known of it", () => {
  const job = { ...block, job: "12" };
  expect(explainLeased(view, summary({ blocks: [job] }), 20_000).message).toBe(
    "block b (job 12) is unknown for 20 s: Invalid qos",
  );
});

it("a task whose slot went with a block that still ends is told that no other may be asked for yet", () => {
  const blocks = [{ ...block, state: "draining" }];
  expect(explainLeased(view, summary({ blocks, maxBlocks: 1 }))).toEqual({
    reason: "max-blocks",
    message: "cluster has it; maxBlocks (1) is reached until block b has ended",
  });
  expect(explainLeased(view, summary({ blocks, maxBlocks: 2 }))).toMatchObject({ reason: "handed-out" });
});

it("a task that was handed out waits for a worker where there are some, or nothing is known", () => {
  for (const known of [summary({ slots: 2 }), summary({ blocks: [] }), null]) {
    expect(explainLeased(view, known)).toMatchObject({ reason: "handed-out" });
  }
});
