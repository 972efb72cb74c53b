import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdSource, isId, newId, timeOfId } from "../../protocol/ids.ts";

describe("ids", () => {
  it("are UUIDv7 that carry their time", () => {
    const id = createIdSource(() => 1_700_000_000_123)();
    expect(isId(id)).toBe(true);
    expect(timeOfId(id)).toBe(1_700_000_000_123);
  });

  it("grow strictly, also within a millisecond and when the clock steps back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 47 }), { minLength: 1, maxLength: 50 }), (clock) => {
        let tick = 0;
        const next = createIdSource(() => clock[tick++ % clock.length] as number);
        let last = "";
        for (let i = 0; i < clock.length; i++) {
          const id = next();
          expect(isId(id)).toBe(true);
          expect(id > last).toBe(true);
          last = id;
        }
      }),
    );
  });

  it("go on growing after more than 4,096 of one millisecond", () => {
    const next = createIdSource(() => 1000);
    let last = next();
    for (let i = 0; i < 10_000; i++) {
      const id = next();
      expect(id > last).toBe(true);
      last = id;
    }
  });

  it("do not repeat", () => {
    const ids = new Set(Array.from({ length: 50_000 }, () => newId()));
    expect(ids.size).toBe(50_000);
  });

  it.each(["", "x", "0190c3a0-0000-4000-8000-000000000000", "0190C3A0-0000-7000-8000-000000000000", 7, null])(
    "%j is not an id",
    (value) => {
      expect(isId(value)).toBe(false);
    },
  );
});
