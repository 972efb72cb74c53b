import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPulls, noReservation, type Reservation } from "../../../gateway/dispatch/pulls.ts";
import { createRoom } from "../../../gateway/dispatch/room.ts";
import type { Limits } from "../../../protocol/messages.ts";

const CLASSES = ["1c0m0g", "2c0m0g", "1c0m1g"];
const limit = fc.record({ tasks: fc.nat(50), bytes: fc.nat(5_000) });
const limits = fc.dictionary(fc.constantFrom(...CLASSES), limit);

type Step =
  | { kind: "raise"; limits: Limits }
  | { kind: "begin"; most: Limits }
  | { kind: "end"; at: number; part: number }
  | { kind: "deny"; at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("raise" as const), limits }),
  fc.record({ kind: fc.constant("begin" as const), most: limits }),
  fc.record({ kind: fc.constant("end" as const), at: fc.nat(20), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant("deny" as const), at: fc.nat(20) }),
);

describe("room of a pull", () => {
  it("rule 4: whatever transactions overlap, never more is handed out than the highest limits, and nothing is lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const room = createRoom({});
        const stated = new Map<string, { tasks: number; bytes: number }>();
        const reserved: Limits[] = [];
        const sent: Limits[] = [];
        for (const step of steps) {
          if (step.kind === "raise") {
            room.raise(step.limits);
            for (const [name, { tasks, bytes }] of Object.entries(step.limits)) {
              const before = stated.get(name) ?? { tasks: 0, bytes: 0 };
              stated.set(name, { tasks: Math.max(before.tasks, tasks), bytes: Math.max(before.bytes, bytes) });
            }
          } else if (step.kind === "begin") {
            const taken = room.reserve(step.most);
            for (const [name, { tasks, bytes }] of Object.entries(taken ?? {})) {
              expect(tasks).toBeLessThanOrEqual(step.most[name]?.tasks ?? 0);
              expect(bytes).toBeLessThanOrEqual(step.most[name]?.bytes ?? 0);
            }
            if (taken) reserved.push(taken);
          } else if (step.kind === "end" && reserved.length > 0) {
            const [taken] = reserved.splice(step.at % reserved.length, 1) as [Limits];
            room.release(taken);
            const used = Object.fromEntries(
              Object.entries(taken).map(([name, { tasks, bytes }]) => [
                name,
                { tasks: Math.floor(tasks * step.part), bytes: Math.floor(bytes * step.part) },
              ]),
            );
            room.spend(used);
            sent.push(used);
          } else if (step.kind === "deny" && sent.length > 0) {
            room.release(sent.splice(step.at % sent.length, 1)[0] as Limits);
          }
          for (const name of CLASSES) {
            const { tasks, bytes } = sum([...reserved, ...sent], name);
            expect(tasks).toBeLessThanOrEqual(stated.get(name)?.tasks ?? 0);
            expect(bytes).toBeLessThanOrEqual(stated.get(name)?.bytes ?? 0);
          }
        }
        // What is over gives everything back: the rest is exactly what was stated and not sent.
        for (const taken of reserved) room.release(taken);
        const rest = room.reserve({ tasks: 1e9, bytes: 1e9 }) ?? {};
        for (const name of CLASSES) {
          const used = sum(sent, name);
          const tasks = (stated.get(name)?.tasks ?? 0) - used.tasks;
          const bytes = (stated.get(name)?.bytes ?? 0) - used.bytes;
          expect(rest[name]).toEqual(tasks > 0 && bytes > 0 ? { tasks, bytes } : undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("tells a pop that found nothing when others give room back", () => {
    const freed: number[] = [];
    const pulls = createPulls({ connected: () => true, inDoubt: () => false, freed: ({ pull }) => freed.push(pull) });
    const { state } = pulls.open({
      endpoint: "e",
      epoch: 1,
      pull: 7,
      limits: { a: { tasks: 9, bytes: 100 } },
      countUpTo: 0,
    });
    const [first, second]: Reservation[] = [noReservation(), noReservation()] as const;
    pulls.reserve(state, { tasks: 1, bytes: 100 }, first as Reservation);
    pulls.reserve(state, { tasks: 9, bytes: 100 }, second as Reservation);
    expect(second?.pulls).toEqual([]);
    state.starved = true;
    pulls.release(first as Reservation);
    expect(freed).toEqual([7]);
  });
});

function sum(amounts: readonly Limits[], name: string): { tasks: number; bytes: number } {
  const total = { tasks: 0, bytes: 0 };
  for (const amount of amounts) {
    total.tasks += amount[name]?.tasks ?? 0;
    total.bytes += amount[name]?.bytes ?? 0;
  }
  return total;
}
