import { expect, it } from "vitest";
import { replay, traces } from "../../bench/elasticity/traces.ts";

it.each(traces().map((trace) => [trace.name, trace] as const))(
  "%s: what the scaler knows and how tasks are packed costs next to no time and wastes no more",
  (_, trace) => {
    const before = replay(trace, "before");
    const after = replay(trace, "after");
    const tasks = trace.load.reduce((sum, { count }) => sum + count, 0);
    expect([before.ended, after.ended]).toEqual([tasks, tasks]);
    expect(after.makespanMs).toBeLessThanOrEqual(before.makespanMs * 1.02);
    expect(after.utilisation).toBeGreaterThanOrEqual(before.utilisation - 0.01);
  },
);
