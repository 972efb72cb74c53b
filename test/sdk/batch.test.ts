import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSubmitHeader } from "../../protocol/batch.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { decodeValue } from "../../protocol/payload.ts";
import { BATCH_BYTES, batchEnd, encodeSubmit } from "../../sdk/calls/batch.ts";
import { type Call, createCall } from "../../sdk/calls/call.ts";
import { createSpec, type Spec, specText } from "../../sdk/calls/spec.ts";
import type { Code } from "../../sdk/code/code.ts";

const code = { name: "f", load: () => Promise.reject(new Error("unused")) } satisfies Code;
const listener = { succeeded() {}, failed() {} };

function specOf(priority: number): Spec {
  const spec = createSpec(code, { priority });
  spec.text = specText(spec, "a".repeat(64), { endpoint: "laptop", group: "_g" });
  return spec;
}

const specs = [specOf(0), specOf(1), specOf(2), specOf(1)];
const args = fc.oneof(
  // A field of this name cannot be sent at all.
  fc.array(fc.jsonValue(), { maxLength: 3 }).filter((sent) => !JSON.stringify(sent).includes("__proto__")),
  fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 2 }),
  fc.tuple(fc.uint8Array({ maxLength: 50 })),
  fc.tuple(
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2200-01-01") }),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  ),
);
const call = fc.tuple(fc.nat(specs.length - 1), args);

describe("encodeSubmit", () => {
  it("is read by the gateway as it was meant: every task with its spec and its arguments", () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 30 }), (wanted) => {
        const calls = wanted.map(([spec, values]) => createCall(specs[spec] as Spec, values, listener));
        const { header, body } = decodeFrame(encodeSubmit(calls));
        const parsed = parseSubmitHeader(header, body.length);
        let offset = 0;
        for (let i = 0; i < wanted.length; i++) {
          const task = parsed.tasks[i];
          const [spec, values] = wanted[i] as [number, unknown[]];
          expect(task?.id).toBe(calls[i]?.id);
          expect(parsed.specs[task?.spec ?? 0]).toEqual(JSON.parse((specs[spec] as Spec).text as string));
          const bytes = body.subarray(offset, offset + (task?.length as number));
          offset += bytes.length;
          const value = decodeValue(task?.encoding ?? "json", bytes);
          if (task?.encoding === "raw") expect([new Uint8Array(value as Uint8Array)]).toEqual(values);
          else expect(value).toEqual(values);
        }
      }),
    );
  });

  it("sends specs that say the same once", () => {
    const calls = [0, 1, 3, 1, 0].map((i) => createCall(specs[i] as Spec, [i], listener));
    const { header } = decodeFrame(encodeSubmit(calls));
    expect(header).toMatchObject({ specs: [{ priority: 0 }, { priority: 1 }] });
    expect((header as { tasks: { spec?: number }[] }).tasks.map(({ spec }) => spec ?? 0)).toEqual([0, 1, 1, 1, 0]);
  });

  it("names a blob instead of carrying it", () => {
    const large = createCall(specs[0] as Spec, [new Uint8Array(300_000)], listener);
    large.blob = "b".repeat(64);
    const { header, body } = decodeFrame(encodeSubmit([large, createCall(specs[0] as Spec, [1], listener)]));
    expect(parseSubmitHeader(header, body.length).tasks).toMatchObject([
      { encoding: "raw", blob: "b".repeat(64), size: 300_000 },
      { length: 3 },
    ]);
    expect(body.length).toBe(3);
  });
});

describe("batchEnd", () => {
  const small = (count: number): Call[] =>
    Array.from({ length: count }, () => createCall(specs[0] as Spec, [1], listener));

  it("takes at most 1000 calls, and skips those that ended meanwhile", () => {
    const calls = small(2100);
    for (let i = 0; i < 300; i++) (calls[i] as Call).phase = "ended";
    expect(batchEnd(calls, 0)).toBe(1300);
    expect(batchEnd(calls, 1300)).toBe(2100);
  });

  it("stays below its bytes, but takes one call whatever its size", () => {
    const calls = Array.from({ length: 10 }, () => createCall(specs[0] as Spec, [new Uint8Array(200_000)], listener));
    expect(batchEnd(calls, 0)).toBe(Math.floor(BATCH_BYTES / 200_000));
    const all: number[] = [];
    for (let from = 0; from < calls.length; from = batchEnd(calls, from)) all.push(from);
    expect(all).toEqual([0, 2, 4, 6, 8]);
  });

  it("takes at most 256 specs", () => {
    const calls = Array.from({ length: 300 }, (_, i) => createCall(specOf(i), [i], listener));
    expect(batchEnd(calls, 0)).toBe(256);
    const { header, body } = decodeFrame(encodeSubmit(calls.slice(0, 256)));
    expect(parseSubmitHeader(header, body.length).specs).toHaveLength(256);
  });
});

describe("createCall", () => {
  it("keeps what the arguments were when the call was made", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const list = [1];
    const calls = [createCall(specs[0] as Spec, [bytes], listener), createCall(specs[0] as Spec, [list], listener)];
    bytes[0] = 9;
    list.push(2);
    expect([...decodeFrame(encodeSubmit(calls)).body]).toEqual([1, 2, 3, ...Buffer.from("[[1]]")]);
  });

  it("refuses what cannot be sent, naming where it is", () => {
    expect(() => createCall(specs[0] as Spec, [{ a: { b: () => 1 } }], listener)).toThrow(
      expect.objectContaining({ code: "NOT_SERIALISABLE", message: expect.stringContaining("b is a function") }),
    );
  });
});

describe("createSpec", () => {
  it("names the option that does not fit, and what it is", () => {
    expect(() => createSpec(code, { priority: 5000 })).toThrow(/^priority is 5000; expected at most \d+$/);
    expect(() => createSpec(code, { resources: { cores: 0 } })).toThrow(/^resources\.cores is 0; expected at least 1$/);
    expect(() => createSpec(code, { timeout: 5 } as never)).toThrow(/^timeout is 5; expected no such field$/);
    expect(() => createSpec(code, { resources: { gpu: 1 } } as never)).toThrow(
      /^resources\.gpu is 1; expected no such field$/,
    );
  });
});
