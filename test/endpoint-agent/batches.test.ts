import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBatches } from "../../endpoint-agent/batches.ts";

describe("rule 8: batches are taken once, and a denial binds", () => {
  it("takes each number once, in any order, and receipts up to the first gap", () => {
    const batches = createBatches();
    expect([batches.take(1, 1), batches.take(1, 3), batches.take(1, 1), batches.take(1, 3)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(batches.receivedUpTo(1)).toBe(1);
    expect(batches.take(1, 2)).toBe(true);
    expect(batches.receivedUpTo(1)).toBe(3);
  });

  it("denies what did not arrive and drops it when it still comes; says the same when asked again", () => {
    const batches = createBatches();
    batches.take(1, 1);
    expect(batches.deny(1, [1, 2, 4])).toEqual([2, 4]);
    expect(batches.take(1, 2)).toBe(false);
    expect(batches.take(1, 3)).toBe(true);
    expect(batches.deny(1, [1, 2, 3, 4])).toEqual([2, 4]);
    expect(batches.receivedUpTo(1)).toBe(4);
  });

  it("keeps pulls apart, also ones that it hears of only by a question", () => {
    const batches = createBatches();
    expect(batches.deny(5, [1])).toEqual([1]);
    expect(batches.take(5, 1)).toBe(false);
    expect(batches.take(4, 1)).toBe(true);
    expect(batches.take(6, 1)).toBe(true);
  });

  it("never denies what it may have forgotten: that would run tasks twice", () => {
    const batches = createBatches();
    batches.take(1, 1);
    for (let pull = 2; pull < 3_000; pull++) batches.take(pull, 1);
    expect(batches.deny(1, [1])).toEqual([]);
    expect(batches.take(1, 2)).toBe(false);
  });

  it("of each batch either the taking or the denial comes first, and that stands", () => {
    const step = fc.record({
      take: fc.boolean(),
      pull: fc.integer({ min: 1, max: 3 }),
      batch: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const batches = createBatches();
        const fate = new Map<string, "taken" | "denied">();
        for (const { take, pull, batch } of steps) {
          const key = `${pull}/${batch}`;
          if (take) {
            expect(batches.take(pull, batch)).toBe(!fate.has(key));
            if (!fate.has(key)) fate.set(key, "taken");
          } else {
            if (!fate.has(key)) fate.set(key, "denied");
            expect(batches.deny(pull, [batch])).toEqual(fate.get(key) === "denied" ? [batch] : []);
          }
          let upTo = 0;
          while (fate.has(`${pull}/${upTo + 1}`)) upTo++;
          expect(batches.receivedUpTo(pull)).toBe(upTo);
        }
      }),
    );
  });
});
