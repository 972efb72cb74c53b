import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCbor } from "../../protocol/cbor-decode.ts";
import { encodeCbor } from "../../protocol/cbor-encode.ts";
import { ApiError } from "../../protocol/errors.ts";
import { decodeValue, encodeValue, NdArray } from "../../protocol/payload.ts";
import type { Encoding } from "../../protocol/task.ts";
import { CORPUS_VALUES } from "./payload-corpus.ts";
import { values } from "./payload-values.ts";

type Entry = { name: string; encoding: Encoding; bytes: string; encodedBy: string[] };
const corpus: Entry[] = JSON.parse(readFileSync(new URL("../fixtures/payloads/corpus.json", import.meta.url), "utf8"));

const roundTrip = (value: unknown) => {
  const { encoding, bytes } = encodeValue(value);
  return decodeValue(encoding, bytes);
};

describe("the corpus that every language agrees on", () => {
  it.each(corpus)("$name ($encoding)", ({ name, encoding, bytes, encodedBy }) => {
    const value = CORPUS_VALUES[name];
    expect(Object.hasOwn(CORPUS_VALUES, name)).toBe(true);
    expect(decodeValue(encoding, Buffer.from(bytes, "hex"))).toStrictEqual(value);
    if (!encodedBy.includes("javascript")) return;
    const encoded = encodeValue(value);
    expect([encoded.encoding, Buffer.from(encoded.bytes).toString("hex")]).toEqual([encoding, bytes]);
  });
});

describe("payloads", () => {
  it("W9: come back as they were, whatever they are", () => {
    fc.assert(
      fc.property(values(), (value) => {
        expect(roundTrip(value)).toStrictEqual(value);
      }),
    );
  });

  it("W9: come back through CBOR too when JSON would do", () => {
    fc.assert(
      fc.property(values(), (value) => {
        expect(decodeCbor(encodeCbor(value))).toStrictEqual(value);
      }),
    );
  });

  it.each([
    ["a plain object", { a: 1 }, "json"],
    ["nothing", undefined, "cbor"],
    ["bytes", new Uint8Array(3), "raw"],
    ["a Buffer", Buffer.from("abc"), "raw"],
    ["not a number", Number.NaN, "cbor"],
    ["a number that JSON would write as an integer", 1e20, "cbor"],
    ["half a surrogate pair", "\udc00", "json"],
  ])("encode %s as fits", (_, value, encoding) => {
    expect(encodeValue(value).encoding).toBe(encoding);
  });

  it("carry what stands for another value as that value", () => {
    expect(roundTrip([new URL("http://a/b"), Object(1), Object("x"), new DataView(new ArrayBuffer(2))])).toEqual([
      "http://a/b",
      1,
      "x",
      new Uint8Array(2),
    ]);
    const error = roundTrip([new TypeError("no")]) as Error[];
    expect(error[0]).toMatchObject({ name: "TypeError", message: "no" });
  });
});

describe("W9: what cannot be sent", () => {
  const cyclic: Record<string, unknown> = { a: { list: [] } };
  ((cyclic.a as Record<string, unknown>).list as unknown[]).push(cyclic);
  let deep: unknown = 1n;
  for (let i = 0; i < 100_000; i++) deep = [deep];

  it.each<[string, unknown, string, string]>([
    ["a function", { f: () => 1 }, "value.f", "a function"],
    ["a symbol", [[Symbol("s")]], "value[0][0]", "a symbol"],
    ["a cycle", cyclic, "value.a.list[0]", "a cycle"],
    ["endless nesting", deep, "", "nested deeper than"],
    ["a promise", { "a b": Promise.resolve() }, 'value["a b"]', "a promise"],
    ["a regular expression", [/a/], "value[0]", "a regular expression"],
    ["a generator", { g: (function* () {})() }, "value.g", "an iterator"],
    ["a weak map", new Map([["k", new WeakMap()]]), "value.k", "a weak reference"],
    [
      "a getter that throws",
      {
        get bad() {
          throw new Error("boom");
        },
      },
      "value.bad",
      "a getter that throws (Error: boom)",
    ],
    [
      "toJSON that throws",
      {
        x: {
          toJSON() {
            throw new Error("boom");
          },
        },
      },
      "value.x",
      "an object whose toJSON throws",
    ],
    ["half a surrogate pair beside a bigint", { a: 1n, b: "\ud800" }, "value.b", "half of a surrogate pair"],
    ["__proto__ beside a bigint", JSON.parse('{"a":{"__proto__":1}}'), "", ""],
  ])("%s", (name, value, path, what) => {
    const sent = name.startsWith("__proto__") ? { ...(value as object), n: 1n } : value;
    try {
      encodeValue(sent);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ApiError);
      expect((error as ApiError).code).toBe("NOT_SERIALISABLE");
      expect((error as ApiError).message).toContain(path === "" ? "value" : `${path} is`);
      expect((error as ApiError).message).toContain(what);
    }
  });
});

describe("a CBOR reader", () => {
  it("throws nothing but BAD_FRAME, whatever comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeCbor(bytes);
        } catch (error) {
          expect((error as ApiError).code).toBe("BAD_FRAME");
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("notices every cut", () => {
    const bytes = encodeCbor({ a: [1.5, "text", 2n ** 70n, new Map([[1, new Date(0)]])], b: new Float64Array(3) });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeCbor(bytes.subarray(0, length))).toThrow(ApiError);
    }
    expect(() => decodeCbor(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(/followed by more/);
  });

  it("refuses lengths and nesting that would exhaust memory", () => {
    expect(() => decodeCbor(Buffer.from("5bffffffffffffffff", "hex"))).toThrow(ApiError);
    expect(() => decodeCbor(Buffer.from("9a7fffffff", "hex"))).toThrow(ApiError);
    expect(() => decodeCbor(new Uint8Array(1e6).fill(0x81))).toThrow(/nested deeper/);
  });

  it("sets no prototype", () => {
    const value = decodeCbor(Buffer.from("a1695f5f70726f746f5f5fa1617801", "hex")) as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value.x).toBeUndefined();
  });

  it("refuses an array whose shape does not fit", () => {
    expect(() => new NdArray([2, 2], new Float64Array(3))).toThrow(/needs 4 elements/);
  });
});
