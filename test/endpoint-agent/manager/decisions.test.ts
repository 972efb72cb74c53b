import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Death, endOfDeath } from "../../../endpoint-agent/manager/deaths.ts";
import { HOLD_MS, handOver, holdOf, MAX_HELD, observe } from "../../../endpoint-agent/manager/hold.ts";
import { leftBehind } from "../../../endpoint-agent/manager/leftovers.ts";
import { createNodeResources } from "../../../endpoint-agent/manager/resources.ts";
import { scrubbedEnv } from "../../../endpoint-agent/manager/scrubbed-env.ts";

describe("how many tasks a worker may hold", () => {
  it("is what its time makes 10 ms, between 1 and 64", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (ewmaMs) => {
        const held = holdOf({ ewmaMs, spawns: false }, false);
        expect(held).toBeGreaterThanOrEqual(1);
        expect(held).toBeLessThanOrEqual(MAX_HELD);
        if (held > 1) expect(held * ewmaMs).toBeLessThanOrEqual(HOLD_MS + 1e-9);
      }),
    );
  });

  it("is 1 when its time is unknown, at-most-once, or when it starts processes", () => {
    expect(holdOf({ ewmaMs: undefined, spawns: false }, false)).toBe(1);
    expect(holdOf({ ewmaMs: 0.01, spawns: false }, true)).toBe(1);
    expect(holdOf({ ewmaMs: 0.01, spawns: true }, false)).toBe(1);
  });

  it("follows the observed times", () => {
    const time = { ewmaMs: undefined as number | undefined, spawns: false };
    observe(time, 1);
    expect(holdOf(time, false)).toBe(10);
    for (let i = 0; i < 30; i++) observe(time, 100);
    expect(holdOf(time, false)).toBe(1);
  });

  it("is shared among workers, and refilled by halves", () => {
    fc.assert(
      fc.property(
        fc.nat(5000),
        fc.nat(64),
        fc.integer({ min: 1, max: 64 }),
        fc.nat(8),
        (waiting, held, limit, sharers) => {
          const count = handOver(waiting, held, limit, sharers);
          expect(count).toBeGreaterThanOrEqual(0);
          if (held <= limit) expect(held + count).toBeLessThanOrEqual(limit);
          if (held === 0) expect(count).toBeGreaterThan(0);
          if (held > limit / 2 && held > 0) expect(count).toBe(0);
        },
      ),
    );
  });
});

describe("what a death means", () => {
  const death: Death = {
    exitCode: null,
    signal: null,
    killed: undefined,
    limitMb: 0,
    peakMb: undefined,
    outOfMemory: false,
    stderrTail: "",
  };
  it.each<[string, Partial<Death>, string, string]>([
    ["W1: SIGKILL from outside", { signal: "SIGKILL" }, "lost", "WORKER_LOST"],
    ["W1: SIGTERM from outside", { signal: "SIGTERM" }, "lost", "WORKER_LOST"],
    ["W2: SIGKILL by the kernel", { signal: "SIGKILL", outOfMemory: true }, "failed", "OOM"],
    [
      "W2: an abort because the heap ended",
      { signal: "SIGABRT", stderrTail: "JavaScript heap out of memory" },
      "failed",
      "OOM",
    ],
    ["W3: a crash", { signal: "SIGSEGV" }, "failed", "SIGNAL"],
    [
      "W4: SIGTERM by the manager at the timeout",
      { signal: "SIGTERM", killed: { kind: "timeout", timeoutMs: 1 } },
      "failed",
      "TIMEOUT",
    ],
    [
      "W4: an exit after SIGTERM at the timeout",
      { exitCode: 0, killed: { kind: "timeout", timeoutMs: 1 } },
      "failed",
      "TIMEOUT",
    ],
    ["W5: an exit", { exitCode: 0 }, "failed", "EXITED"],
    ["W10: a forgery", { signal: "SIGKILL", killed: { kind: "forged", what: "x" } }, "lost", "WORKER_LOST"],
    ["a cancel", { signal: "SIGTERM", killed: { kind: "cancel" } }, "failed", "CANCELLED"],
    ["B4: the end of the block", { signal: "SIGTERM", killed: { kind: "stop", why: "x" } }, "lost", "MANAGER_LOST"],
  ])("%s", (_, part, outcome, code) => {
    const end = endOfDeath({ ...death, ...part });
    expect([end.outcome, end.failure?.code]).toEqual([outcome, code]);
  });
});

describe("a node's resources", () => {
  it("are never promised twice, and are all there again at the end", () => {
    const need = fc.record({ cores: fc.integer({ min: 1, max: 4 }), memoryMb: fc.nat(800), gpus: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(need), fc.integer({ min: 1, max: 6 }), (needs, slots) => {
        const capacity = { cores: 8, memoryMb: 2000, gpus: 2 };
        const node = createNodeResources(capacity, slots);
        const taken = needs.filter((one) => {
          const fits = node.fits(one);
          if (fits) node.take(one);
          return fits;
        });
        const sum = (pick: (one: (typeof needs)[number]) => number) =>
          taken.reduce((total, one) => total + pick(one), 0);
        expect(sum((one) => one.cores)).toBeLessThanOrEqual(capacity.cores);
        expect(sum((one) => one.memoryMb)).toBeLessThanOrEqual(capacity.memoryMb);
        expect(sum((one) => one.gpus)).toBeLessThanOrEqual(capacity.gpus);
        expect(node.busy()).toBe(taken.length);
        expect(taken.length).toBeLessThanOrEqual(slots);
        for (const one of taken) node.release(one);
        expect(node.room({ cores: 1, memoryMb: 1, gpus: 0 })).toBe(Math.min(slots, 8));
      }),
    );
  });
});

describe("W6: what a task left behind", () => {
  it("is what left the worker's session or lost its parent, and nothing else", () => {
    const found = [
      { pid: 10, parent: 1, session: 10 },
      { pid: 11, parent: 10, session: 10 },
      { pid: 12, parent: 11, session: 10 },
      { pid: 13, parent: 1, session: 10 },
      { pid: 14, parent: 10, session: 14 },
      { pid: 15, parent: 1, session: 15 },
    ];
    expect(leftBehind(found, { worker: 10 })).toEqual([13, 14, 15]);
  });

  it("is not the client beside a worker in a container, nor what that has started", () => {
    const found = [
      { pid: 5, parent: 1, session: 5 },
      { pid: 6, parent: 5, session: 5 },
      { pid: 10, parent: 9, session: 10 },
      { pid: 11, parent: 10, session: 10 },
      { pid: 12, parent: 1, session: 10 },
      { pid: 13, parent: 10, session: 13 },
    ];
    expect(leftBehind(found, { worker: 10, client: 5 })).toEqual([12, 13]);
  });
});

describe("a worker's environment", () => {
  it("has what is allowed and what is added, and nothing else", () => {
    const own = {
      PATH: "/bin",
      LC_ALL: "C",
      FARCALL_TOKEN: "secret",
      SLURM_JOB_ID: "1",
      SLURM_JWT: "secret",
      AWS_SECRET_ACCESS_KEY: "x",
    };
    expect(scrubbedEnv(own, { A: "1" })).toEqual({ PATH: "/bin", LC_ALL: "C", SLURM_JOB_ID: "1", A: "1" });
  });
});
