import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createAdoption } from "../../endpoint-agent/adoption.ts";
import { uptimeMs } from "../../endpoint-agent/clock.ts";
import { type HeartbeatLoop, startHeartbeats } from "../../endpoint-agent/heartbeat.ts";
import { adoptedTask, createTaskTable } from "../../endpoint-agent/held-task.ts";
import { emptyState } from "../../endpoint-agent/journal-state.ts";
import { ApiError } from "../../protocol/errors.ts";
import { type Heartbeat, type HeartbeatAnswer, type HeldLease, leaseDigest } from "../../protocol/messages.ts";
import { testManager } from "./support.ts";

const loops: { stop(): void }[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate"] }));
afterEach(() => {
  for (const loop of loops.splice(0)) loop.stop();
  vi.useRealTimers();
});

function setUp() {
  const table = createTaskTable();
  const sent: Heartbeat[] = [];
  const killed: HeldLease[] = [];
  const refused: string[] = [];
  const gateway = {
    answers: true,
    wantLeases: false,
    kill: [] as HeldLease[],
    error: undefined as ApiError | undefined,
  };
  const state = { complete: true };
  const loop: HeartbeatLoop = startHeartbeats({
    epoch: 2,
    intervalMs: 10_000,
    orphanTimeoutMs: 60_000,
    helloAt: uptimeMs() - 1_000,
    table,
    async send(heartbeat): Promise<HeartbeatAnswer> {
      sent.push(heartbeat);
      if (!gateway.answers) throw new Error("no answer");
      if (gateway.error) return { ok: false, error: gateway.error.toJSON() };
      return { ok: true, sentAt: heartbeat.sentAt, wantLeases: gateway.wantLeases, kill: gateway.kill };
    },
    summary: () => ({}) as Heartbeat["summary"],
    complete: () => state.complete,
    kill: (leases) => void killed.push(...leases),
    onRefused: ({ code }) => void refused.push(code),
  });
  loops.push(loop);
  return { loop, table, sent, killed, refused, gateway, state };
}
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("rule 9: heartbeats and the digest of leases", () => {
  it("covers leases older than 10 s, those with a result on its way included, and no younger ones", async () => {
    const { table, sent } = setUp();
    table.add(adoptedTask(["old", 3], testManager()));
    table.add(adoptedTask(["ended", 1], undefined));
    table.add({ ...adoptedTask(["young", 1], undefined), arrivedAt: performance.now() });
    await pass(10_000);
    const expected = leaseDigest([
      ["old", 3],
      ["ended", 1],
    ]);
    expect(sent.at(-1)?.digest).toEqual({ ...expected, olderThanMs: 10_000 });
    expect(sent.at(-1)?.leases).toBeUndefined();
  });

  it("sends the list at once when the digests differ, and kills what the database does not know", async () => {
    const { table, sent, gateway, killed } = setUp();
    await pass(0);
    table.add(adoptedTask(["a", 1], undefined));
    Object.assign(gateway, { wantLeases: true, kill: [["b", 2]] });
    await pass(10_000);
    expect(sent).toHaveLength(3);
    expect(sent[2]?.leases).toEqual([["a", 1]]);
    expect(killed).toContainEqual(["b", 2]);
  });

  it("rule 22: does not send the list before it is known what of the past still lives", async () => {
    const { sent, gateway, state } = setUp();
    state.complete = false;
    gateway.wantLeases = true;
    await pass(30_000);
    expect(sent.every(({ leases }) => leases === undefined)).toBe(true);
    state.complete = true;
    await pass(10_000);
    expect(sent.at(-1)?.leases).toEqual([]);
  });

  it("states before the first pull exactly what is held, whatever its age, until that was answered", async () => {
    const { loop, table, sent, gateway } = setUp();
    await pass(0);
    gateway.answers = false;
    table.add(adoptedTask(["a", 1], undefined));
    let declared = false;
    void loop.declare().then(() => {
      declared = true;
    });
    await pass(3_000);
    expect(declared).toBe(false);
    gateway.answers = true;
    await pass(3_000);
    expect(declared).toBe(true);
    expect(sent.at(-1)).toMatchObject({ leases: [["a", 1]], digest: { olderThanMs: 0 } });
  });
});

describe("rule 19: the agent's deadline", () => {
  it("is the sending time of the last answered heartbeat plus orphanTimeoutMs; silence does not move it", async () => {
    const { loop, sent, gateway } = setUp();
    await pass(0);
    const first = loop.deadlineAt;
    expect(first).toBeCloseTo((sent[0]?.sentAt ?? 0) + 60_000, 3);
    gateway.answers = false;
    await pass(30_000);
    expect(sent.length).toBeGreaterThan(2);
    expect(loop.deadlineAt).toBe(first);
  });
});

describe("rule 17: a newer epoch", () => {
  it("is heard in the answer to a heartbeat", async () => {
    const { gateway, refused } = setUp();
    gateway.error = new ApiError("EPOCH_SUPERSEDED", "a newer agent runs this endpoint");
    await pass(10_000);
    expect(refused).toContain("EPOCH_SUPERSEDED");
  });
});

describe("rule 22: adoption after a restart", () => {
  const journalWith = (...managers: [string, string][]) => {
    const state = emptyState();
    for (const [block, nonce] of managers) {
      state.managers.set(`${block}/0`, { block, node: 0, nonce, host: "h", bootId: "b", pid: 1, startTime: "1" });
    }
    return state;
  };
  const adopt = (options: { ownPast?: boolean; managers?: [string, string][]; untilMs?: number }) => {
    const told = { complete: 0, settled: false };
    const adoption = createAdoption({
      journal: journalWith(...(options.managers ?? [])),
      ownPast: options.ownPast ?? true,
      until: uptimeMs() + (options.untilMs ?? 75_000),
      onComplete: () => told.complete++,
    });
    loops.push(adoption);
    void adoption.settled().then(() => {
      told.settled = true;
    });
    return { adoption, told };
  };

  it("is complete at once when there is nothing to adopt", async () => {
    const { adoption, told } = adopt({});
    await pass(1);
    expect([adoption.complete, told.complete]).toEqual([true, 1]);
  });

  it("waits for each manager to come back, the same one, or for its block's end", async () => {
    const { adoption } = adopt({
      managers: [
        ["a", "n1"],
        ["b", "n2"],
      ],
    });
    await pass(1);
    adoption.seen(testManager({ block: "a", nonce: "another" }));
    expect(adoption.complete).toBe(false);
    adoption.seen(testManager({ block: "a", nonce: "n1" }));
    expect(adoption.complete).toBe(false);
    adoption.gone("b");
    expect(adoption.complete).toBe(true);
  });

  it("lets new work begin after a few seconds also while a manager hangs", async () => {
    const { adoption, told } = adopt({ managers: [["a", "n1"]] });
    await pass(4_000);
    expect(told.settled).toBe(false);
    await pass(2_000);
    expect([told.settled, adoption.complete]).toEqual([true, false]);
  });

  it("rule 19: of a stranger's past nothing is known before its deadline and a margin have passed", async () => {
    const { adoption, told } = adopt({ ownPast: false, untilMs: 75_000 });
    await pass(1);
    expect(told.settled).toBe(true);
    await pass(74_000);
    expect(adoption.complete).toBe(false);
    await pass(2_000);
    expect([adoption.complete, told.complete]).toEqual([true, 1]);
  });
});
