import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manager } from "../../endpoint-agent/manager.ts";
import { createResourceClasses } from "../../endpoint-agent/resource-classes.ts";
import { addUnits, costOf } from "../../endpoint-agent/units.ts";
import {
  countEnds,
  LOOK_AHEAD_MS,
  MAX_WINDOW_BYTES,
  MAX_WINDOW_TASKS,
  noEnds,
  roomFor as roomOf,
  type WindowSnapshot,
} from "../../endpoint-agent/window.ts";
import { testManager } from "./support.ts";

const ONE = "1c0m0g";

function managerWith(cores: number, running = 0, options: { draining?: boolean; connected?: boolean } = {}) {
  const manager = testManager({ cores, memoryMb: 4_096 });
  addUnits(manager.free, costOf({ cores: 1, memoryMb: 0, gpus: 0 }, 1), -running);
  manager.draining = options.draining ?? false;
  if (options.connected === false) (manager as Manager).link = undefined;
  return manager;
}

function roomFor(key: string, state: WindowSnapshot) {
  return roomOf(createResourceClasses().of(key), state);
}
function waiting(key: string, queued: number) {
  return [{ ...createResourceClasses().of(key), queued }];
}
function snapshot(change: Partial<WindowSnapshot>): WindowSnapshot {
  return { managers: [], classes: [], heldBytes: 0, recent: 0, closed: false, hopeless: false, ...change };
}

describe("rule 4: credit is for live slots and at most 100 ms of look-ahead", () => {
  it("asks for as many as there are free slots, and for nothing without a manager", () => {
    expect(roomFor(ONE, snapshot({})).tasks).toBe(0);
    expect(roomFor(ONE, snapshot({ recent: 500 })).tasks).toBe(0);
    expect(roomFor(ONE, snapshot({ managers: [managerWith(4, 1)] })).tasks).toBe(3);
    expect(roomFor("2c0m0g", snapshot({ managers: [managerWith(4, 1)] })).tasks).toBe(1);
    expect(roomFor("1c3000m0g", snapshot({ managers: [managerWith(4)] })).tasks).toBe(1);
  });

  it("counts neither pending blocks nor managers that drain or are not connected", () => {
    const managers = [managerWith(4, 0, { draining: true }), managerWith(4, 0, { connected: false })];
    expect(roomFor(ONE, snapshot({ managers, recent: 1_000 })).tasks).toBe(0);
  });

  it("subtracts what waits here already, of other classes by their cores", () => {
    const managers = [managerWith(8)];
    expect(roomFor(ONE, snapshot({ managers, classes: waiting(ONE, 3) })).tasks).toBe(5);
    expect(roomFor(ONE, snapshot({ managers, classes: waiting("2c0m0g", 3) })).tasks).toBe(2);
    expect(roomFor(ONE, snapshot({ managers, classes: waiting(ONE, 30) })).tasks).toBe(0);
  });

  it("looks ahead by what ended within 100 ms, capped at 8192 tasks and 64 MB", () => {
    const managers = [managerWith(2)];
    expect(roomFor(ONE, snapshot({ managers, recent: 120.7 })).tasks).toBe(122);
    expect(roomFor(ONE, snapshot({ managers, recent: 1e6 })).tasks).toBe(MAX_WINDOW_TASKS);
    expect(roomFor(ONE, snapshot({ managers, heldBytes: 1_000 })).bytes).toBe(MAX_WINDOW_BYTES - 1_000);
    expect(roomFor(ONE, snapshot({ managers, heldBytes: 2 * MAX_WINDOW_BYTES })).bytes).toBe(0);
  });

  it("asks for nothing while it drains, and takes what no node can hold so as to fail it", () => {
    expect(roomFor(ONE, snapshot({ managers: [managerWith(4)], closed: true })).tasks).toBe(0);
    expect(roomFor("64c0m0g", snapshot({ managers: [managerWith(4)], hopeless: true })).tasks).toBeGreaterThan(0);
  });

  it("measures the rate: a steady one gives rate times 100 ms, silence takes it back to nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), (perMs) => {
        const recent = noEnds();
        for (let now = 1; now <= 1_000; now++) countEnds(recent, perMs, now);
        expect(countEnds(recent, 0, 1_000) / (perMs * LOOK_AHEAD_MS)).toBeCloseTo(1, 1);
        expect(countEnds(recent, 0, 3_000)).toBeLessThan(0.001);
      }),
    );
  });

  it("rule 4: a rate that begins is seen within a few tasks, not after a whole look-ahead time", () => {
    const recent = noEnds();
    expect(countEnds(recent, 1, 1_000)).toBe(1);
    expect(countEnds(recent, 1, 1_002)).toBeLessThan(2.1);
    // Ten in ten milliseconds are a hundred in a hundred.
    for (let now = 1_003; now <= 1_010; now++) countEnds(recent, 1, now);
    const seen = countEnds(recent, 0, 1_010);
    expect(seen).toBeGreaterThan(30);
    expect(seen).toBeLessThanOrEqual(100);
  });
});
