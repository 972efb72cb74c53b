import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../../../gateway/store/port.ts";
import { createWorld, FUNCTION, type OpenStore, OWNER, putFunction, text } from "./world.ts";

const everything = { owner: null, groups: null };

export function eventRules(open: OpenStore): void {
  describe("events", () => {
    it("rule 15: what is read again is what was told, in the order of commits", async () => {
      const world = await createWorld(open);
      const told: StoredEvent[] = [];
      const note = (output: { events: StoredEvent[] }) => void told.push(...output.events);
      const specs = [{ group: "g" }, { retries: 1, retryDelayMs: 10 }];
      const { ids } = await world.submit({
        specs,
        tasks: [0, 1, 0, 1, 0].map((spec) => ({ spec })),
        pulls: [world.pull(9)],
      });
      const [a, b, c, d, e] = ids as [string, string, string, string, string];
      note(await world.start(a));
      note(
        await world.report([
          { id: a, value: "1", ranMs: 4 },
          { id: b, outcome: "failed", failure: { code: "USER_ERROR", message: "boom" } },
          { id: c, value: "x".repeat(3000) },
          { id: d, outcome: "lost", failure: { code: "WORKER_LOST", message: "killed" }, block: "b-1" },
        ]),
      );
      note(await world.store.cancel({ owner: null, ids: [e, d] }));
      world.clock.ms += 10;
      note(await world.store.tick(10));
      const page = await world.store.eventsAfter(everything, 0, 100);
      expect(page.events).toEqual(
        told.map((event) => ({ ...event, ...(event.bytes ? { bytes: new Uint8Array(event.bytes) } : {}) })),
      );
      expect(told.map((event) => event.sequence)).toEqual(told.map((_, i) => i + 1));
      expect(page).toMatchObject({ oldest: 1, last: told.length, scannedTo: told.length });
      expect(await world.store.lastSequence()).toBe(told.length);
    });

    it("rule 15: a client resumes after what it saw, page by page", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: Array.from({ length: 700 }, () => ({})), pulls: [world.pull(1000)] });
      await world.report(ids.map((id, i) => ({ id, value: String(i) })));
      const seen: string[] = [];
      let after = 0;
      for (;;) {
        const { events, last, scannedTo } = await world.store.eventsAfter(everything, after, 64);
        expect(events.length).toBeLessThanOrEqual(64);
        for (const event of events) seen.push(`${event.sequence} ${event.id} ${text(event.bytes)}`);
        expect(scannedTo).toBeGreaterThan(after);
        after = scannedTo;
        if (after === last) break;
      }
      expect(seen).toEqual(ids.map((id, i) => `${i + 1} ${id} ${i}`));
    });

    it("rule 15: events are read by owner and by group", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      const specs = [{ group: "a" }, { group: "b" }, {}];
      const mine = await world.submit({ specs, tasks: [0, 1, 2].map((spec) => ({ spec })) });
      const his = await world.submit({ owner: "bob", specs: [{ group: "a" }], tasks: [{}] });
      await world.pop();
      await world.report([...his.ids, ...mine.ids].map((id) => ({ id, value: "1" })));
      const read = async (owner: string | null, groups: string[] | null) =>
        (await world.store.eventsAfter({ owner, groups }, 0, 100)).events.map((event) => event.id);
      const [a, b, c] = mine.ids;
      expect(await read(OWNER, null)).toEqual([a, b, c]);
      expect(await read(OWNER, ["a"])).toEqual([a]);
      expect(await read(OWNER, ["a", "b"])).toEqual([a, b]);
      expect(await read(null, ["a"])).toEqual([his.ids[0], a]);
      expect(await read("nobody", null)).toEqual([]);
      expect(await read(OWNER, ["nothing"])).toEqual([]);
    });

    it("rule 15: large results do not make a page larger than it may be", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: Array.from({ length: 40 }, () => ({})), pulls: [world.pull(100)] });
      await world.report(ids.map((id) => ({ id, value: "x".repeat(250_000) })));
      const page = await world.store.eventsAfter(everything, 0, 1000);
      expect(page.events.length).toBeLessThan(40);
      expect(page.scannedTo).toBe(page.events.at(-1)?.sequence);
      expect((await world.store.eventsAfter(everything, page.scannedTo, 1000)).events[0]?.id).toBe(
        ids[page.events.length],
      );
    });

    it("rule 15: numbers go on after the events themselves are gone", async () => {
      const world = await createWorld(open);
      await world.report([{ id: await world.leased(), value: "1" }]);
      world.clock.ms += 15 * 86_400_000;
      expect(await world.store.retain(1000)).toEqual({ deleted: 1 });
      await world.reopen();
      expect(await world.store.eventsAfter(everything, 0, 10)).toEqual({
        events: [],
        oldest: 2,
        last: 1,
        scannedTo: 0,
      });
      const { events } = await world.report([{ id: await world.leased(), value: "2" }]);
      expect(events.map((event) => event.sequence)).toEqual([2]);
    });
  });
}
