import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createPull, type PullLink, type PullOptions } from "../../endpoint-agent/pull.ts";
import type { LeaseHeader } from "../../protocol/batch.ts";
import type { Credit, Pull } from "../../protocol/messages.ts";
import { testEntries, testSpec } from "./support.ts";

const ONE = "1c0m0g";
const EPOCH = 7;

/** A pull whose room the test sets, on a clock that the test moves. */
function setUp(change: Partial<PullOptions> = {}) {
  const pulls: Pull[] = [];
  const credits: Credit[] = [];
  const arrived: LeaseHeader[] = [];
  const room = { tasks: 4, bytes: 1_000_000 };
  const pull = createPull({
    epoch: EPOCH,
    publish: { pull: (message) => pulls.push(message), credit: (message) => credits.push(message) },
    roomOf: () => ({ ...room }),
    countUpTo: () => 8,
    onTasks: (header) => void arrived.push(header),
    onWaiting: () => {},
    onSuperseded: () => {},
    ...change,
  });
  open.push(pull);
  return { pull, pulls, credits, arrived, room };
}

const open: PullLink[] = [];
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  for (const pull of open.splice(0)) pull.stop();
  vi.useRealTimers();
});

function batch(number: number, count: number, change: Partial<LeaseHeader> = {}): LeaseHeader {
  return {
    kind: "tasks",
    epoch: EPOCH,
    pull: 1,
    batch: number,
    specs: [testSpec()],
    tasks: testEntries(count),
    ...change,
  };
}
const NONE = new Uint8Array(0);

describe("rule 4: credit is an absolute window", () => {
  it("states in each message how many may have come since the pull began, which only grows", () => {
    const { pull, pulls, credits, room } = setUp();
    pull.open();
    expect(pulls[0]).toMatchObject({ epoch: EPOCH, pull: 1, limits: { [ONE]: { tasks: 4 } }, countUpTo: 8 });
    pull.receive(batch(1, 4), NONE);
    room.tasks = 0;
    vi.advanceTimersByTime(10);
    pull.tick();
    expect(credits).toEqual([]);
    room.tasks = 3;
    pull.tick();
    expect(credits.at(-1)).toMatchObject({ pull: 1, received: 1, limits: { [ONE]: { tasks: 7 } } });
    room.tasks = 1;
    pull.receive(batch(2, 3), NONE);
    vi.advanceTimersByTime(10);
    pull.tick();
    expect(credits.at(-1)).toMatchObject({ received: 2, limits: { [ONE]: { tasks: 8 } } });
  });

  it("is not stated anew for every task, but in time", () => {
    const { pull, credits, room } = setUp();
    room.tasks = 100;
    pull.open();
    for (let i = 1; i <= 40; i++) {
      pull.receive(batch(i, 1), NONE);
      vi.advanceTimersByTime(5);
      pull.tick();
    }
    expect(credits).toHaveLength(0);
    for (let i = 41; i <= 60; i++) {
      pull.receive(batch(i, 1), NONE);
      vi.advanceTimersByTime(5);
      pull.tick();
    }
    expect(credits).toHaveLength(1);
  });

  it("is taken back by a new pull when there is much less room than was stated", () => {
    const { pull, pulls, room } = setUp();
    room.tasks = 500;
    pull.open();
    room.tasks = 2;
    pull.tick();
    expect(pulls).toHaveLength(1);
    vi.advanceTimersByTime(200);
    expect(pulls).toHaveLength(2);
    expect(pulls[1]).toMatchObject({ pull: 2, limits: { [ONE]: { tasks: 2 } } });
  });
});

describe("rule 5: silence and newer pulls", () => {
  it("pulls anew after 10 s of silence, and not while the gateway beats", () => {
    const { pull, pulls } = setUp();
    pull.open();
    for (let i = 0; i < 6; i++) {
      pull.receive({ kind: "beat", epoch: EPOCH, pull: 1 }, NONE);
      vi.advanceTimersByTime(5_000);
    }
    expect(pulls).toHaveLength(1);
    vi.advanceTimersByTime(5_500);
    expect(pulls.map(({ pull: number }) => number)).toEqual([1, 2]);
  });

  it("repeats a pull that no gateway took soon, then ever more rarely, until one beats", () => {
    const { pull, pulls } = setUp();
    pull.open();
    vi.advanceTimersByTime(8_000);
    expect(pulls.map(({ pull: number }) => number)).toEqual([1, 2, 3, 4]);
    pull.receive({ kind: "beat", epoch: EPOCH, pull: 4 }, NONE);
    vi.advanceTimersByTime(9_000);
    expect(pulls).toHaveLength(4);
  });

  it("pulls anew when its gateway goes away, and hears nothing of other epochs", () => {
    const { pull, pulls } = setUp();
    pull.open();
    pull.receive({ kind: "beat", epoch: EPOCH, pull: 1 }, NONE);
    pull.receive({ kind: "end", epoch: EPOCH - 1, pull: 1, reason: "shutdown" }, NONE);
    vi.advanceTimersByTime(1_000);
    expect(pulls).toHaveLength(1);
    pull.receive({ kind: "end", epoch: EPOCH, pull: 1, reason: "shutdown" }, NONE);
    vi.advanceTimersByTime(900);
    expect(pulls).toHaveLength(2);
  });

  it("takes a batch of the pull before, which crossed the newer one, without counting it in the new window", () => {
    const { pull, arrived, credits, room } = setUp();
    pull.open();
    pull.open();
    pull.receive(batch(1, 3), NONE);
    expect(arrived).toHaveLength(1);
    room.tasks = 20;
    vi.advanceTimersByTime(10);
    pull.tick();
    expect(credits.at(-1)?.limits[ONE]?.tasks).toBe(20);
  });
});

describe("rule 6: without a slot, a pull of credit 0 tells how much waits", () => {
  it("opens with no room and hears the counts", () => {
    const heard: Record<string, number>[] = [];
    const { pull, pulls, room } = setUp({ onWaiting: () => void heard.push({ ...pull.waiting }) });
    room.tasks = 0;
    pull.open();
    expect(pulls[0]?.limits[ONE]?.tasks).toBe(0);
    pull.receive({ kind: "waiting", epoch: EPOCH, pull: 1, classes: { [ONE]: 5, "2c0m0g": 1 } }, NONE);
    expect(heard).toEqual([{ [ONE]: 5, "2c0m0g": 1 }]);
    room.tasks = 2;
    pull.tick();
  });

  it("asks for a class as soon as something of it waits", () => {
    const { pull, credits } = setUp();
    pull.open();
    pull.receive({ kind: "waiting", epoch: EPOCH, pull: 1, classes: { "2c0m0g": 1 } }, NONE);
    vi.advanceTimersByTime(10);
    pull.tick();
    expect(credits.at(-1)?.limits["2c0m0g"]?.tasks).toBe(4);
  });
});

describe("rule 8: receipts", () => {
  it("are sent within a second also when there is nothing else to say", () => {
    const { pull, credits } = setUp();
    pull.open();
    pull.receive(batch(1, 1), NONE);
    pull.receive(batch(3, 1), NONE);
    vi.advanceTimersByTime(2_500);
    expect(credits.map(({ received }) => received)).toEqual([1]);
  });

  it("are sent sooner for many bytes, because the gateway holds back what is unreceipted", () => {
    const { pull, credits } = setUp();
    pull.open();
    pull.receive(batch(1, 1), new Uint8Array(3_000_000));
    pull.tick();
    expect(credits).toHaveLength(1);
  });

  it("a batch that comes twice, or was denied, is dropped", () => {
    const { pull, arrived } = setUp();
    pull.open();
    pull.receive(batch(1, 1), NONE);
    pull.receive(batch(1, 1), NONE);
    expect(pull.deny(1, [1, 2])).toEqual([2]);
    pull.receive(batch(2, 1), NONE);
    pull.receive(batch(3, 1, { epoch: EPOCH - 1 }), NONE);
    expect(arrived.map((header) => header.batch)).toEqual([1]);
  });
});
