import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBatch, MAX_MESSAGE_BYTES, sizeOf, splitHandout } from "../../../gateway/dispatch/batches.ts";
import type { Handout } from "../../../gateway/store/port.ts";
import type { LeaseEntry, LeaseHeader, LeaseSpec } from "../../../protocol/batch.ts";
import { decodeFrame, joinBytes } from "../../../protocol/frame.ts";
import { newId } from "../../../protocol/ids.ts";

const task = fc.record({ spec: fc.nat(2), bytes: fc.nat(3_000), blob: fc.boolean() });
const address = { epoch: 1, pull: 2, batch: 3 };

describe("batches", () => {
  it("rule 4: a hand-out is cut into messages below the limit, in order, each with the specs that it names", () => {
    fc.assert(
      fc.property(
        fc.array(task, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 4_000, max: 40_000 }),
        (tasks, max) => {
          const handout = handoutOf(tasks);
          const seen: { id: string; spec: LeaseSpec; args: Uint8Array }[] = [];
          for (const part of splitHandout(handout, max)) {
            const frame = encodeBatch(part, address);
            expect(frame.length).toBeLessThanOrEqual(max + 1_000);
            const { header, body } = decodeFrame(frame);
            const { specs, tasks } = header as LeaseHeader;
            let offset = 0;
            for (const { id, spec = 0, length = 0 } of tasks) {
              seen.push({ id, spec: specs[spec] as LeaseSpec, args: body.subarray(offset, offset + length) });
              offset += length;
            }
            expect(offset).toBe(body.length);
            expect(new Set(tasks.map(({ spec = 0 }) => spec)).size).toBe(specs.length);
            const counted = Object.values(sizeOf(part));
            expect(counted.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(tasks.length);
            expect(counted.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(body.length);
          }
          expect(seen.map(({ id }) => id)).toEqual(handout.tasks.map(({ id }) => id));
          expect(seen.map(({ spec }) => spec)).toEqual(handout.tasks.map(({ spec = 0 }) => handout.specs[spec]));
          expect(joinBytes(seen.map(({ args }) => args))).toEqual(handout.body);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("a thousand of the largest arguments go in messages that a nats-server takes", () => {
    const handout = handoutOf(Array.from({ length: 40 }, () => ({ spec: 0, bytes: 256 * 1024, blob: false })));
    const frames = splitHandout(handout).map((part) => encodeBatch(part, address));
    expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(MAX_MESSAGE_BYTES + 1_000);
  });
});

function handoutOf(tasks: { spec: number; bytes: number; blob: boolean }[]): Handout {
  const specs = [0, 1, 2].map(
    (key): LeaseSpec => ({ function: "f".repeat(64), key, owner: "ada", env: { A: "ü".repeat(key * 50) } }),
  );
  // Only specs that are named are in a hand-out.
  const named = [...new Set(tasks.map(({ spec }) => spec))].sort();
  const entries = tasks.map(({ spec, bytes, blob }): LeaseEntry => {
    const place = blob ? { blob: "b".repeat(64), size: bytes } : { length: bytes };
    const at = named.indexOf(spec);
    return { id: newId(), lease: 1, attempt: 0, submittedAt: 1e12, ...place, ...(at > 0 ? { spec: at } : {}) };
  });
  const chunks = tasks.map(({ bytes, blob }, i) => new Uint8Array(blob ? 0 : bytes).fill(i));
  const classes = ["1c0m0g", "1c0m0g", "2c0m0g"];
  return {
    endpoint: "e",
    epoch: 1,
    pull: 1,
    specs: named.map((spec) => specs[spec] as LeaseSpec),
    classes: named.map((spec) => classes[spec] as string),
    tasks: entries,
    body: joinBytes(chunks),
  };
}
