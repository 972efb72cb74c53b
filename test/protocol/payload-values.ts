/** Arbitrary values that can be sent. */
import fc from "fast-check";

export type ValueOptions = {
  /** only what means the same in Python: no undefined, no bigint that is small, no invalid date, keys that differ there too */
  python?: boolean;
};

/** Values of every kind that payloads carry, nested. */
export function values({ python = false }: ValueOptions = {}): fc.Arbitrary<unknown> {
  const text = fc.string({ unit: "binary" }).filter((value) => value.isWellFormed());
  const key = text.filter((value) => value !== "__proto__");
  const bigint = fc.bigInt({ min: -(2n ** 100n), max: 2n ** 100n });
  const years = { min: new Date("0002-01-01"), max: new Date("9998-01-01"), noInvalidDate: true };
  const scalar = fc.oneof(
    fc.constantFrom(null, true, false),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    text,
    python ? bigint.filter((value) => value > 2n ** 53n || value < -(2n ** 53n)) : bigint,
    python ? fc.date(years) : fc.date({ min: new Date(-1e14), max: new Date(1e14), noInvalidDate: false }),
    fc.uint8Array(),
    fc.int16Array(),
    fc.uint32Array(),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    ...(python ? [] : [fc.constant(undefined)]),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      scalar,
      tie("array"),
      tie("object"),
      tie("map"),
      tie("set"),
    ),
    array: fc.array(tie("value"), { maxLength: 5 }),
    object: fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    map: fc
      .array(fc.tuple(python ? fc.integer() : scalar, tie("value")), { minLength: python ? 1 : 0, maxLength: 5 })
      .map((entries) => new Map(entries)),
    set: fc.array(python ? fc.integer() : scalar, { maxLength: 5 }).map((items) => new Set(items)),
  }));
  return value as fc.Arbitrary<unknown>;
}
