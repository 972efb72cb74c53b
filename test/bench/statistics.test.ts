import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { median, percentile, round, sample } from "../../bench/measure/statistics.ts";

describe("statistics", () => {
  it("give a percentile that is one of the values, and no less for a greater share", () => {
    const values = fc.array(fc.double({ noNaN: true }), { minLength: 1 });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(values, share, share, (list, a, b) => {
        const [low, high] = [percentile(list, Math.min(a, b)), percentile(list, Math.max(a, b))];
        expect(list).toContain(low);
        expect(low).toBeLessThanOrEqual(high);
      }),
    );
  });

  it("know the middle, and nothing of nothing", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([])).toBeNaN();
  });

  it("sample only what comes after the warm-up", async () => {
    let calls = 0;
    expect(await sample(() => calls++, { count: 3, warmUp: 2 })).toHaveLength(3);
    expect(calls).toBe(5);
  });

  it("round to what matters", () => {
    expect([round(0.123456), round(12.3456), round(12345.6)]).toEqual([0.123, 12.3, 12346]);
  });
});
