import { describe, expect, it } from "vitest";
import type { Block } from "../../endpoint-agent/block.ts";
import { endOfBlock, minutesOverdue, nextStep } from "../../endpoint-agent/block-steps.ts";

const facts = { now: 1_000_000, busy: 0, endsAt: null, cancelGraceMs: 10_000 };
const block = (state: Block["state"], ageMs: number, walltimeMs: number | null = null) => ({
  state,
  since: facts.now - ageMs,
  walltimeMs,
});

describe("the steps of a block", () => {
  it.each([
    ["an hour, 2 min before its end", 3_600_000, 120_000, "drain"],
    ["an hour, 3 min before its end", 3_600_000, 180_000, undefined],
    ["a minute, a tenth of it before its end", 60_000, 6_000, "drain"],
    ["a minute, half of it before its end", 60_000, 30_000, undefined],
  ])("B4: a block of %s", (_, walltimeMs, leftMs, step) => {
    expect(nextStep(block("running", 1, walltimeMs), { ...facts, endsAt: facts.now + leftMs })).toBe(step);
  });

  it("one without walltime, or that has not started, is left alone", () => {
    expect(nextStep(block("running", 10 ** 9), facts)).toBeUndefined();
    expect(nextStep(block("pending", 10 ** 9, 60_000), facts)).toBeUndefined();
  });

  it("a drained one is cancelled when it has had time and no work", () => {
    expect(nextStep(block("draining", 14_000), facts)).toBeUndefined();
    expect(nextStep(block("draining", 16_000), facts)).toBe("cancel");
    expect(nextStep(block("draining", 16_000), { ...facts, busy: 1 })).toBeUndefined();
  });

  it("B14: a cancelled one that does not end is killed, again and again; after 15 min that is worth an alert", () => {
    for (const state of ["stopping", "killed"] as const) {
      expect(nextStep(block(state, 9_000), facts)).toBeUndefined();
      expect(nextStep(block(state, 11_000), facts)).toBe("kill");
    }
    expect(minutesOverdue({ cancelledAt: undefined }, facts.now)).toBeUndefined();
    expect(minutesOverdue({ cancelledAt: facts.now - 14 * 60_000 }, facts.now)).toBeUndefined();
    expect(minutesOverdue({ cancelledAt: facts.now - 16 * 60_000 }, facts.now)).toBe(16);
  });

  const ended = { since: facts.now - 60_000, reason: null, connected: true, adopted: false, state: "running" } as const;
  const how = { reason: "TIMEOUT", taken: undefined, now: facts.now, endsAt: null };

  it("B4, B5: an end by walltime, preemption or a cancel is nobody's fault", () => {
    const taken = { reason: "TIMEOUT", taken: true, failed: false };
    expect(endOfBlock(ended, { ...how, taken: true })).toEqual({ ...taken, cause: undefined });
    // Several schedulers end a walltime as they do a cancel.
    const late = { ...how, taken: true, endsAt: facts.now - 1 };
    expect(endOfBlock(ended, { ...late, cause: "cancelled" })).toEqual({ ...taken, cause: "walltime" });
    expect(endOfBlock(ended, { ...late, cause: "preempted" })).toEqual({ ...taken, cause: "preempted" });
    expect(endOfBlock({ ...ended, connected: false }, { ...how, taken: true }).failed).toBe(false);
    expect(endOfBlock(ended, { ...how, endsAt: facts.now - 1 }).taken).toBe(true);
    expect(endOfBlock(ended, how)).toEqual({ reason: "TIMEOUT", taken: false, failed: false });
  });

  it.each(["draining", "stopping"] as const)(
    "B5: of a %s one that ran, why it ended is what the scheduler says",
    (state) => {
      const ran = { ...ended, state, reason: "RUNNING" };
      const end = { ...how, reason: "CANCELLED", taken: true, cause: "cancelled" as const };
      expect(endOfBlock(ran, end)).toMatchObject({ reason: "CANCELLED", cause: "cancelled" });
      expect(endOfBlock({ ...ran, state: "lost", reason: "NODE_FAIL" }, how).reason).toBe("NODE_FAIL");
    },
  );

  it("B15: one that ends before its managers came, or at once after, has failed", () => {
    expect(endOfBlock({ ...ended, connected: false }, how).failed).toBe(true);
    expect(endOfBlock({ ...ended, since: facts.now - 1_000 }, how).failed).toBe(true);
    expect(endOfBlock({ ...ended, state: "stopping", connected: false, reason: "refused" }, how)).toEqual({
      reason: "refused",
      taken: false,
      failed: false,
    });
  });
});
