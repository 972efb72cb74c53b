/** The hub: in commit order, without a gap, to those who asked. */
import fc from "fast-check";
import pino from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createHub, type EventFilter } from "../../gateway/events/hub.ts";
import type { StoredEvent } from "../../gateway/store/port.ts";
import { createFrameReader } from "../../protocol/frame.ts";

const ending: AbortController[] = [];
afterEach(() => {
  for (const each of ending.splice(0)) each.abort();
});

function event(sequence: number, more: Partial<StoredEvent> = {}): StoredEvent {
  return {
    sequence,
    id: `task-${sequence}`,
    owner: "ann",
    group: null,
    state: "succeeded",
    attempt: 1,
    failure: null,
    ranMs: 1,
    endpoint: "e",
    attempts: null,
    encoding: null,
    size: null,
    blob: null,
    ...more,
  };
}

function openHub(table: StoredEvent[] = []) {
  const end = new AbortController();
  ending.push(end);
  const eventsAfter = vi.fn(async (_filter: unknown, after: number, limit: number) => {
    const events = table.filter(({ sequence }) => sequence > after).slice(0, limit);
    const last = table.at(-1)?.sequence ?? 0;
    return { events, oldest: 1, last, scannedTo: events.at(-1)?.sequence ?? last };
  });
  const store = { eventsAfter, generation: "gen" };
  const hub = createHub({ store, position: 0, log: pino({ level: "silent" }), signal: end.signal });
  const listen = (filter: EventFilter) => {
    const got: number[] = [];
    const reader = createFrameReader(1 << 30);
    const stop = hub.subscribe(filter, (batch) => {
      for (const { bytes } of batch.encoded("frames")) {
        for (const { header } of reader.push(bytes)) {
          for (const { id } of (header as { tasks: { id: string }[] }).tasks) got.push(Number(id.slice(5)));
        }
      }
    });
    return { got, stop };
  };
  return { hub, listen, eventsAfter };
}

describe("the hub", () => {
  it("gives each subscriber the events of its owner and groups, once", () => {
    const { hub, listen } = openHub();
    const all = listen({ owner: "ann", groups: null });
    const red = listen({ owner: "ann", groups: ["red"] });
    const both = listen({ owner: "ann", groups: ["blue", "red"] });
    const bob = listen({ owner: "bob", groups: null });
    hub.publish([
      event(1),
      event(2, { group: "red" }),
      event(3, { group: "blue" }),
      event(4, { owner: "bob", group: "red" }),
    ]);
    expect([all.got, red.got, both.got, bob.got]).toEqual([[1, 2, 3], [2], [2, 3], [4]]);
    red.stop();
    hub.publish([event(5, { group: "red" })]);
    expect([red.got, both.got]).toEqual([[2], [2, 3, 5]]);
  });

  it("encodes a batch once for all who asked for the same", () => {
    const { hub } = openHub();
    const seen: Uint8Array[] = [];
    const filter = { owner: "ann", groups: ["g"] };
    hub.subscribe(filter, (batch) => seen.push(...batch.encoded("frames").map(({ bytes }) => bytes)));
    hub.subscribe({ ...filter }, (batch) => seen.push(...batch.encoded("frames").map(({ bytes }) => bytes)));
    hub.publish([event(1, { group: "g" })]);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(seen[1]);
  });

  it("rule 15: keeps commit order when publishes come in another one, and forgets repetitions", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }).chain((sizes) =>
          fc.tuple(
            fc.constant(sizes),
            fc.shuffledSubarray(
              sizes.map((_, i) => i),
              { minLength: sizes.length },
            ),
          ),
        ),
        ([sizes, order]) => {
          const { hub, listen } = openHub();
          const { got } = listen({ owner: "ann", groups: null });
          let next = 1;
          const publishes = sizes.map((size) => Array.from({ length: size }, () => event(next++)));
          for (const index of order) {
            hub.publish(publishes[index] as StoredEvent[]);
            if (index % 2 === 0) hub.publish(publishes[index] as StoredEvent[]);
          }
          expect(got).toEqual(publishes.flat().map(({ sequence }) => sequence));
          expect(hub.position()).toBe(next - 1);
        },
      ),
    );
  });

  it("reads from the table what is never published here", async () => {
    const table = Array.from({ length: 10 }, (_, i) => event(i + 1));
    const { hub, listen, eventsAfter } = openHub(table);
    const { got } = listen({ owner: "ann", groups: null });
    hub.publish(table.slice(0, 2));
    expect(eventsAfter).not.toHaveBeenCalled();
    hub.publish(table.slice(6, 10));
    await vi.waitFor(() => expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    expect(eventsAfter).toHaveBeenCalledTimes(1);
  });

  it("wakes who waits for a task at its end, not before, and only once", () => {
    const { hub } = openHub();
    const woken = vi.fn();
    hub.onEnd("task-2", woken);
    const stop = hub.onEnd("task-3", woken);
    stop();
    hub.publish([event(1, { id: "task-2", state: "running" })]);
    expect(woken).not.toHaveBeenCalled();
    hub.publish([event(2), event(3)]);
    hub.publish([event(4, { id: "task-2" })]);
    expect(woken).toHaveBeenCalledTimes(1);
  });
});
