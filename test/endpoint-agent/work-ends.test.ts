import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { takenFailure } from "../../endpoint-agent/ends.ts";
import { adoptedTask, createTaskTable } from "../../endpoint-agent/held-task.ts";
import { createInterchange } from "../../endpoint-agent/interchange.ts";
import type { Manager } from "../../endpoint-agent/manager.ts";
import { createWorkEnds } from "../../endpoint-agent/work-ends.ts";
import type { ResultEntry } from "../../protocol/batch.ts";
import { newTaskId, testEntries, testManager, testSpec } from "./support.ts";

let now = 0;
vi.mock("../../endpoint-agent/clock.ts", async (original) => ({ ...(await original<object>()), uptimeMs: () => now }));

function setUp() {
  const table = createTaskTable();
  const interchange = createInterchange(table);
  const entries: ResultEntry[] = [];
  const managers: Manager[] = [];
  const take = (which: (manager: Manager) => boolean) =>
    managers.filter(which).map((manager) => ({ manager, tasks: interchange.detach(manager) }));
  const ends = createWorkEnds({
    interchange,
    outbox: { addResult: (entry) => void entries.push(entry) },
    managers: {
      lost: (block) => take(({ hello }) => hello.block === block),
      takeDead: () => take(({ link }) => link === undefined),
    },
    turn: () => {},
  });
  const attach = (options: Parameters<typeof testManager>[0]) => {
    const manager = testManager(options);
    managers.push(manager);
    interchange.attach(manager);
    return manager;
  };
  const place = (count: number, change = {}) => {
    const tasks = testEntries(count);
    interchange.accept({ specs: [testSpec(change)], tasks }, new Uint8Array(0));
    interchange.pump();
    return tasks.map(({ id }) => id);
  };
  return { interchange, ends, entries, attach, place };
}

describe("ends that no manager reports", () => {
  beforeEach(() => {
    now = 100_000;
  });
  afterEach(() => vi.restoreAllMocks());

  it("B15: what a manager had that died at once goes back without an attempt; what a proven one had is lost", () => {
    const { ends, entries, attach, place } = setUp();
    const died = attach({ block: "b", node: 0, cores: 2 });
    const proven = attach({ block: "b", node: 1, cores: 1 });
    place(3);
    for (const manager of [died, proven]) manager.lastSeenAt = 5_000;
    proven.proven = true;
    // Its start was reported: that is an attempt, however soon its manager died of it.
    const [, begun] = [...died.tasks];
    if (begun) begun.started = true;
    expect(ends.blockGone("b", { reason: "exit code 1", taken: false, cause: undefined, failed: true })).toBe(
      undefined,
    );
    expect(entries.map(({ outcome, started, failure }) => [outcome, started, failure?.code])).toEqual([
      ["returned", undefined, undefined],
      ["lost", undefined, "MANAGER_LOST"],
      ["lost", undefined, "MANAGER_LOST"],
    ]);
  });

  it("rule 11: what an earlier agent handed out may have begun, however soon its manager is lost to this one", () => {
    const { ends, entries, attach } = setUp();
    const manager = attach({ block: "b" });
    manager.tasks.add(adoptedTask([newTaskId(), 1], manager));
    ends.blockGone("b", { reason: "exit code 1", taken: false, cause: undefined, failed: true });
    expect(entries).toMatchObject([{ outcome: "lost", failure: { code: "MANAGER_LOST" } }]);
  });

  it.each([
    ["preempted", "PREEMPTED"],
    ["walltime", "WALLTIME"],
    ["cancelled", "BLOCK_CANCELLED"],
    ["node-failed", "NODE_FAIL"],
    [undefined, "BLOCK_ENDED"],
  ] as const)("B5: what a block had that was taken away (%s) says so: %s", (cause, code) => {
    const { ends, entries, attach, place } = setUp();
    attach({ block: "b" });
    const ids = place(2);
    ends.blockGone("b", { reason: "words", taken: true, cause, failed: false });
    expect(entries.map(({ id, outcome, failure }) => [id, outcome, failure])).toEqual(
      ids.map((id) => [id, "returned", { code, message: "block b: words" }]),
    );
  });

  it("B5: an at-most-once task whose start was not committed was never started, and is not poison for that", () => {
    const { ends, entries, attach, place } = setUp();
    attach({ block: "b" });
    place(1, { delivery: "at-most-once" });
    ends.blockGone("b", { reason: "words", taken: true, cause: "preempted", failed: false });
    expect(entries).toMatchObject([{ outcome: "returned", started: false, failure: { code: "PREEMPTED" } }]);
  });

  it("B5: what a manager handed back as its node was taken gets its reason when the scheduler has said it, once", () => {
    const { ends, entries, attach } = setUp();
    const manager = attach({ block: "b" });
    const entry: ResultEntry = { id: "x", lease: 3, outcome: "returned", started: true };
    ends.takenAway(entry, manager);
    expect(entry.failure).toEqual({ code: "BLOCK_ENDED", message: "block b: the site took its node away" });
    const end = { reason: "its script has ended", taken: false, cause: undefined, failed: false };
    ends.blockGone("b", end)?.({ cause: "preempted", reason: "PREEMPTED" });
    // Nothing is kept for a reason that never comes.
    expect(ends.blockGone("b", end)).toBe(undefined);
    const failure = takenFailure("b", { cause: "preempted", reason: "PREEMPTED" });
    expect(entries).toEqual([{ id: "x", lease: 3, outcome: "returned", failure, length: 0, block: "b" }]);
  });

  it("B4: what comes back at the walltime's end needs nobody to say why", () => {
    const { ends, attach } = setUp();
    const manager = attach({ block: "b", remainingMs: now + 1_000 });
    const entry: ResultEntry = { id: "x", lease: 3, outcome: "returned", started: true };
    ends.takenAway(entry, manager);
    expect(entry.failure?.code).toBe("WALLTIME");
    expect(ends.blockGone("b", { reason: "x", taken: true, cause: "walltime", failed: false })).toBe(undefined);
  });

  it("NODE_FAIL: what a lost block had is placed again when its manager is certainly dead, and says why", () => {
    const { ends, entries, attach, place } = setUp();
    const manager = attach({ block: "b" });
    place(1);
    const lost = { reason: "NODE_FAIL", taken: true, cause: "node-failed", failed: false } as const;
    ends.buryDead(() => lost);
    expect(entries).toEqual([]);
    manager.link = undefined as never;
    ends.buryDead(() => lost);
    expect(entries).toMatchObject([{ outcome: "returned", failure: { code: "NODE_FAIL" } }]);
  });

  it("tasks that were handed out for slots that have gone go back after a moment, and still want slots meanwhile", () => {
    const { ends, entries, attach, place, interchange } = setUp();
    const ids = place(3);
    ends.returnStranded();
    now += 2_000;
    ends.returnStranded();
    expect(entries).toEqual([]);
    // A manager that is back in time keeps them.
    const manager = attach({ cores: 2 });
    now += 2_000;
    ends.returnStranded();
    expect(entries).toEqual([]);
    interchange.detach(manager);
    for (let i = 0; i < 5; i++) {
      now += 1_000;
      ends.returnStranded();
    }
    expect(entries.map(({ id, outcome, started, failure }) => [id, outcome, started, failure?.code])).toEqual(
      ids.map((id) => [id, "returned", false, "BLOCK_ENDED"]),
    );
    expect(ends.returning).toEqual({ "1c0m0g": 3 });
    now += 60_000;
    expect(ends.returning).toEqual({});
  });
});
