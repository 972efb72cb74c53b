import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBadNodes, FAILURES_OF_A_NODE } from "../../endpoint-agent/bad-nodes.ts";
import { createBreaker } from "../../endpoint-agent/breaker.ts";

describe("B15: nodes on which managers fail", () => {
  const nodes = (most?: number) =>
    createBadNodes({ windowMs: 1_000, excludeMs: 5_000, ...(most === undefined ? {} : { most }) });

  it("are excluded after three failures, for a while, with the last words", () => {
    const bad = nodes();
    expect([bad.failed("n1", "a", 0), bad.failed("n2", "a", 1), bad.failed("n1", "b", 2)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(bad.failed("n1", "c", 3)).toBe(true);
    expect(bad.excluded(4)).toEqual([{ node: "n1", until: 5_003, reason: "c" }]);
    expect([bad.isExcluded("n1", 5_002), bad.isExcluded("n1", 5_003), bad.isExcluded("n2", 4)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("are not for failures that are far apart, nor for those before one did work there", () => {
    const bad = nodes();
    for (const at of [0, 600, 1_200, 1_800]) expect(bad.failed("n1", "slow", at)).toBe(false);
    bad.good("n1");
    expect([bad.failed("n1", "x", 1_900), bad.failed("n1", "x", 1_901)]).toEqual([false, false]);
    expect(bad.failed("n1", "x", 1_902)).toBe(true);
  });

  it("are no reason to wait for others for ever: a block that keeps away from all that are known waits in vain once they are let in", () => {
    const bad = nodes();
    for (const at of [0, 1, 2]) bad.failed("n1", "x", at);
    expect([bad.inVain(["n1"], 5_001), bad.inVain(["n1"], 5_002), bad.inVain([], 5_002)]).toEqual([false, true, false]);
    bad.good("n1");
    expect(bad.inVain(["n1"], 5_002)).toBe(true);
    bad.good("n2");
    expect(bad.inVain(["n1"], 5_002)).toBe(false);
  });

  it("are never one whose name is no plain word: it goes onto a command line", () => {
    const bad = nodes();
    for (let at = 0; at < 5; at++) expect(bad.failed("n1,n2 --wrap", "x", at)).toBe(false);
  });

  it("whatever happens: bounded, expired in time, and only after three failures in the window", () => {
    const step = fc.record({
      node: fc.constantFrom("a", "b", "c", "d"),
      good: fc.boolean(),
      after: fc.integer({ min: 0, max: 900 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bad = nodes(2);
        const failures = new Map<string, number[]>();
        let now = 0;
        for (const { node, good, after } of steps) {
          now += after;
          if (good) {
            bad.good(node);
            failures.delete(node);
          } else {
            const recent = [...(failures.get(node) ?? []), now].filter((at) => now - at < 1_000);
            failures.set(node, recent);
            const excluded = bad.failed(node, "x", now);
            if (excluded) expect(recent.length).toBeGreaterThanOrEqual(FAILURES_OF_A_NODE);
            if (recent.length < FAILURES_OF_A_NODE) expect(excluded).toBe(false);
          }
          const out = bad.excluded(now);
          expect(out.length).toBeLessThanOrEqual(2);
          for (const { until } of out) expect(until > now && until <= now + 5_000).toBe(true);
        }
      }),
    );
  });
});

describe("B15: the breaker over bad nodes", () => {
  const breaker = () => createBreaker({ firstWaitMs: 10, openWaitMs: 30_000, maxWaitMs: 60_000, random: () => 0.999 });
  const fail = (of: ReturnType<typeof breaker>, node: string, excluded: boolean) =>
    of.failed(0, `node ${node}: exit code 1`, { node, excluded });

  it("is soon tried again when all failures were of one node that the next block keeps away from", () => {
    const of = breaker();
    fail(of, "n1", false);
    fail(of, "n1", false);
    fail(of, "n1", true);
    expect(of.trouble).toBe("3 blocks in a row failed: node n1: exit code 1");
    expect(of.nextTry(0)).toBeLessThan(1_000);
  });

  it("stays open when other nodes fail too, or the next block cannot be kept away", () => {
    for (const [node, excluded] of [
      ["n2", true],
      ["n1", false],
    ] as const) {
      const of = breaker();
      fail(of, "n1", false);
      fail(of, "n1", false);
      fail(of, node, excluded);
      expect(of.nextTry(0)).toBeGreaterThan(20_000);
    }
  });

  it("hopes when a block comes up, holds others back until it has done something, and counts on when it fails", () => {
    const of = breaker();
    for (let i = 0; i < 4; i++) {
      of.failed(0, "it died at once");
      of.hopeful();
      // Of many that come up one after the other and fail, each would let another one be asked for at once.
      expect([of.trouble, of.failing, of.mayTry(0)]).toEqual([null, null, false]);
    }
    of.failed(0, "it died at once");
    expect(of.trouble).toBe("5 blocks in a row failed: it died at once");
    of.succeeded();
    expect(of.mayTry(0)).toBe(true);
    of.failed(0, "once");
    expect([of.trouble, of.failing?.failures]).toEqual([null, 1]);
  });
});
