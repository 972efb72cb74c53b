import { describe, expect, it } from "vitest";
import { reasonOf, type StatusFacts, statusLines } from "../../cli/endpoint/status-text.ts";
import type { EndpointView } from "../../protocol/endpoint.ts";

const NOW = 1_800_000_000_000;
const MIN = 60_000;
type Summary = NonNullable<EndpointView["summary"]>;
const block = {
  id: "01a209d5-a82e-7124-bb84-16350f2a436d",
  job: "4711",
  state: "running",
  reason: "RUNNING",
  since: NOW - 10 * MIN,
  submittedAt: NOW - 14 * MIN,
  endsAt: NOW + 50 * MIN,
  nodes: 2,
  slots: 8,
  busy: 6,
};
const pending = {
  ...block,
  job: "4712",
  state: "pending",
  reason: "PENDING (Priority)",
  endsAt: null,
  slots: 0,
  busy: 0,
};
const summary: Summary = {
  state: "running",
  slots: 8,
  busy: 6,
  blocks: [block, { ...pending, since: NOW - MIN, submittedAt: NOW - 4 * MIN }],
  maxBlocks: 4,
  trouble: null,
  version: "1.0.0",
  host: "login1",
  rssMb: 90,
};
const view: EndpointView = {
  id: "e1",
  name: "cluster",
  owner: "me",
  description: "",
  state: "online",
  epoch: 3,
  lastSeenAt: NOW - 2_000,
  registeredAt: 0,
  queued: 5,
  leased: 2,
  running: 6,
  summary,
};

function shown(changes: Partial<EndpointView> = {}, more: Partial<StatusFacts> = {}): string {
  const facts = { view: { ...view, ...changes }, now: NOW, where: [], waits: undefined, ...more };
  return statusLines(facts, { width: undefined }).join("\n");
}
const said = (changes: Partial<Summary>) => shown({ summary: { ...summary, ...changes } });

describe("farcall endpoint status", () => {
  it("says of one that takes nothing new how it does again, also when its agent was stopped", () => {
    expect(shown({ state: "draining" })).toMatch(
      /^next: `farcall endpoint drain --off cluster`, or `farcall endpoint start cluster` if its agent was stopped/m,
    );
  });

  it("shows each block with its job, how long it has been so, its slots, what is left of its walltime and why it waits", () => {
    const rows = shown().split("\n").slice(-3);
    expect(rows[0]).toMatch(/^BLOCK +JOB +STATE +FOR +NODES +BUSY +LEFT +REASON$/);
    expect(rows[1]).toMatch(/436d +4711 +running +10 min +2 +6 of 8 +50 min +-$/);
    expect(rows[2]).toMatch(/436d +4712 +pending +4 min +2 +- +- +Priority$/);
  });

  it("sums up: blocks by state, slots, how much of them is used", () => {
    expect(shown()).toContain("blocks: 2 of at most 4 (1 running, 1 pending), 6 of 8 slots busy (75 %)");
  });

  it("says why the oldest waiting task waits, unless that is said already", () => {
    const waits = { task: "t1", reason: "block-pending", message: "block b is pending for 4 min: Priority" };
    expect(shown({}, { waits })).toContain("waits: task t1: block b is pending for 4 min: Priority");
    expect(shown({}, { waits: { ...waits, reason: "endpoint-trouble" } })).not.toContain("waits:");
  });

  it("tells of the first failed submission already, of the next try, and what to do", () => {
    const text = said({ failing: { failures: 1, reason: "sbatch: error: Invalid qos", nextTryAt: NOW + 25_000 } });
    expect(text).toContain("trouble: the last block failed: sbatch: error: Invalid qos; the next try is in 25.0 s");
    expect(text).toMatch(/next: `farcall endpoint script cluster`.*`farcall endpoint restart cluster`/);
    const open = said({
      trouble: "3 blocks in a row failed: no",
      failing: { failures: 3, reason: "no", nextTryAt: null },
    });
    expect(open.match(/trouble:/g)).toHaveLength(1);
    expect(open).toContain("trouble: 3 blocks in a row failed: no\n");
  });

  it("names the nodes that are left out, for how long and why", () => {
    const excludedNodes = [{ node: "n7", reason: "no space left on device", until: NOW + 20 * MIN }];
    expect(said({ excludedNodes })).toContain("left out: node n7, for 20 min more: no space left on device");
  });

  it("of an agent that is silent says that this is what it said last, and how to start it", () => {
    const text = shown({ state: "offline" });
    expect(text).toContain("; what it said last:");
    expect(text).toContain("next: `farcall endpoint start cluster` on its machine");
    expect(shown({ state: "never-started", summary: null })).toContain("next: `farcall endpoint start cluster`");
  });

  it("shows what an agent of an earlier version says", () => {
    const { submittedAt: _s, endsAt: _e, ...old } = block;
    expect(said({ blocks: [{ ...old, state: "pending" }] })).toMatch(/4711 +pending +10 min +2 +6 of 8 +- /);
  });

  it("a block without a job is being submitted", () => {
    expect(said({ blocks: [{ ...pending, job: null, reason: null }] })).toMatch(/436d +- +submitting +14 min/);
  });

  it("does not repeat a block's state as its reason", () => {
    expect(reasonOf({ state: "running", reason: "RUNNING" })).toBe("");
    expect(reasonOf({ state: "pending", reason: "PENDING (Resources)" })).toBe("Resources");
    expect(reasonOf({ state: "running", reason: "PENDING (Resources)" })).toBe("PENDING (Resources)");
    expect(reasonOf({ state: "pending", reason: null })).toBe("");
  });
});
