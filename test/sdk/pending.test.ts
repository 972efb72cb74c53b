import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../protocol/events.ts";
import { encodeValue } from "../../protocol/payload.ts";
import { type Call, createCall } from "../../sdk/calls/call.ts";
import { createPending } from "../../sdk/calls/pending.ts";
import { createSpec } from "../../sdk/calls/spec.ts";
import type { Code } from "../../sdk/code/code.ts";

const code = { name: "f", load: () => Promise.reject(new Error("unused")) } satisfies Code;
const spec = createSpec(code, {});

function table() {
  const ended = new Map<string, unknown>();
  const needs: boolean[] = [];
  const pending = createPending({
    fetchResult: async (id) => `fetched ${id}`,
    onNeed: (needed) => void needs.push(needed),
    onRemoved() {},
  });
  const listener = {
    succeeded: (call: Call, value: unknown) => void ended.set(call.id, value),
    failed: (call: Call, error: unknown) => void ended.set(call.id, error),
  };
  const add = () => {
    const call = createCall(spec, [], listener);
    pending.add(call);
    return call;
  };
  return { pending, ended, needs, add };
}

const value = fc.oneof(
  // A field of this name cannot be sent at all.
  fc.jsonValue().filter((sent) => !JSON.stringify(sent).includes("__proto__")),
  fc.string({ unit: "grapheme" }),
  fc.uint8Array({ maxLength: 40 }),
  fc.bigInt({ min: 0n, max: 2n ** 80n }),
  fc.constant(undefined),
);
const kind = fc.constantFrom("inline", "inline", "inline", "foreign", "blob", "omitted");

describe("an event message", () => {
  it("gives each call its own value, whatever stands beside it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(kind, value), { minLength: 1, maxLength: 20 }), async (results) => {
        const { pending, ended, add } = table();
        const expected = new Map<string, unknown>();
        const chunks: Uint8Array[] = [];
        const events = results.map(([kind, result]): TaskEvent => {
          const call = add();
          const id = kind === "foreign" ? "another client's" : call.id;
          const { encoding, bytes } = encodeValue(result);
          if (kind === "blob") expected.set(id, `fetched ${id}`);
          if (kind === "blob") return { id, state: "succeeded", encoding, blob: "b".repeat(64), size: 3 };
          if (kind === "omitted") expected.set(id, `fetched ${id}`);
          if (kind === "omitted") return { id, state: "succeeded", encoding, omitted: true };
          chunks.push(bytes);
          if (kind === "inline") expected.set(id, result);
          return { id, state: "succeeded", encoding, length: bytes.length };
        });
        pending.take(events, Buffer.concat(chunks));
        await Promise.resolve();
        await Promise.resolve();
        expect(ended).toEqual(expected);
        expect(pending.calls.size).toBe(results.filter(([kind]) => kind === "foreign").length);
      }),
    );
  });

  it("of bytes that are not text does not disturb the JSON beside it", () => {
    const { pending, ended, add } = table();
    const [a, b] = [add(), add()];
    const events: TaskEvent[] = [
      { id: a.id, state: "succeeded", encoding: "raw", length: 3 },
      { id: b.id, state: "succeeded", encoding: "json", length: 3 },
    ];
    pending.take(events, Buffer.concat([Buffer.from([255, 254, 128]), Buffer.from('"x"')]));
    expect(ended.get(a.id)).toEqual(Uint8Array.of(255, 254, 128));
    expect(ended.get(b.id)).toBe("x");
  });

  it("that comes twice ends a call once", () => {
    const { pending, ended, add } = table();
    const call = add();
    const message: TaskEvent[] = [{ id: call.id, state: "succeeded", encoding: "json", length: 1 }];
    pending.take(message, Buffer.from("1"));
    pending.take(message, Buffer.from("2"));
    expect(ended.get(call.id)).toBe(1);
  });

  it("that cannot be decoded fails its call alone", () => {
    const { pending, ended, add } = table();
    const [a, b] = [add(), add()];
    const events: TaskEvent[] = [a, b].map(({ id }) => ({ id, state: "succeeded", encoding: "json", length: 1 }));
    pending.take(events, Buffer.from("{1"));
    expect(ended.get(a.id)).toBeInstanceOf(SyntaxError);
    expect(ended.get(b.id)).toBe(1);
  });
});

it("the stream is needed exactly while something is pending", () => {
  const { pending, needs, add } = table();
  const [a, b] = [add(), add()];
  pending.fail(a, new Error("x"));
  expect(needs).toEqual([true]);
  pending.fail(b, new Error("x"));
  pending.fail(b, new Error("again"));
  expect(needs).toEqual([true, false]);
});
