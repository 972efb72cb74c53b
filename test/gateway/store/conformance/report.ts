import { describe, expect, it } from "vitest";
import { createWorld, FUNCTION, type OpenStore, OWNER, putFunction, text } from "./world.ts";

export function reportRules(open: OpenStore): void {
  describe("report", () => {
    it("large results are in their events, and there to be read", async () => {
      const world = await createWorld(open);
      const ids = [await world.leased(), await world.leased()];
      const values = ["a".repeat(100_000), "b".repeat(50_000)];
      const { events } = await world.report(ids.map((id, i) => ({ id, value: values[i] as string, out: "said" })));
      expect(events.map(({ bytes }) => text(bytes))).toEqual(values);
      for (const [i, id] of ids.entries()) {
        expect(text((await world.store.payloadOf(id, "result"))?.bytes)).toBe(values[i]);
      }
    });

    it("a result ends its task, and is there to be read", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ group: "run-7" });
      const { events, superseded } = await world.report([
        { id, value: "144", ranMs: 2.5, block: "b-1", worker: "w-1" },
      ]);
      expect(superseded).toBe(0);
      expect(events).toMatchObject([
        {
          id,
          owner: OWNER,
          group: "run-7",
          state: "succeeded",
          attempt: 1,
          ranMs: 2.5,
          encoding: "json",
          size: 3,
          blob: null,
          attempts: null,
        },
      ]);
      expect(text(events[0]?.bytes)).toBe("144");
      expect(await world.store.getTask(id, OWNER)).toMatchObject({
        state: "succeeded",
        attempt: 1,
        block: "b-1",
        worker: "w-1",
        endedAt: world.clock.ms,
        resultEncoding: "json",
        resultSize: 3,
        failure: null,
      });
      expect(text((await world.store.payloadOf(id, "result"))?.bytes)).toBe("144");
      expect(await world.store.attemptsOf(id)).toMatchObject([{ attempt: 1, block: "b-1", reason: null }]);
    });

    it("results of every size, with the tails of their output, are cut from the body in order", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}, {}], pulls: [world.pull(3)] });
      const values = ["1", "x".repeat(5000), ""];
      const { events } = await world.report([
        { id: ids[0] as string, value: values[0] as string, out: "out", err: "error", stdoutTotal: 99 },
        { id: ids[1] as string, value: values[1] as string, encoding: "raw" },
        { id: ids[2] as string, value: values[2] as string, err: "!" },
      ]);
      expect(events.map((event) => text(event.bytes))).toEqual(values);
      for (const [i, id] of ids.entries()) {
        expect(text((await world.store.payloadOf(id, "result"))?.bytes)).toBe(values[i]);
      }
      const output = await world.store.outputOf(ids[0] as string);
      expect([text(output?.stdout), text(output?.stderr), output?.stdoutTotal, output?.stderrTotal]).toEqual([
        "out",
        "error",
        99,
        5,
      ]);
      expect(await world.store.outputOf(ids[1] as string)).toBeUndefined();
      expect(text((await world.store.outputOf(ids[2] as string))?.stderr)).toBe("!");
    });

    it("rule 7: a result of an earlier hand-out changes nothing", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      await world.store.takeBack(world.endpoint, [[id, 1]]);
      expect((await world.report([{ id, lease: 1, value: "1" }])).superseded).toBe(1);
      await world.pop();
      expect((await world.report([{ id, lease: 1, value: "1" }])).superseded).toBe(1);
      expect(await world.state(id)).toBe("leased");
      expect((await world.report([{ id, lease: 2, value: "2" }])).superseded).toBe(0);
      expect(text((await world.store.payloadOf(id, "result"))?.bytes)).toBe("2");
    });

    it("rule 14: G8: what comes after the end is kept aside and changes nothing", async () => {
      const world = await createWorld(open);
      const cancelled = await world.leased();
      await world.store.cancel({ owner: OWNER, ids: [cancelled] });
      const expired = await world.leased({ ttlMs: 10 });
      world.clock.ms += 10;
      await world.store.tick(10);
      const late = [cancelled, expired].map((id) => ({ id, value: "1" }));
      const { superseded, events } = await world.report(late);
      expect(superseded).toBe(2);
      expect(events).toEqual([]);
      expect(await world.state(cancelled)).toBe("cancelled");
      expect(await world.state(expired)).toBe("expired");
      expect(await world.store.payloadOf(expired, "result")).toBeUndefined();
    });

    it("G9: a doubled result counts once, and the rest of its report is taken", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}], pulls: [world.pull(2)] });
      const [a, b] = ids as [string, string];
      const { superseded, events } = await world.report([
        { id: a, value: "1" },
        { id: a, value: "22" },
        { id: world.newId(), value: "333" },
        { id: "nonsense", value: "4444" },
        { id: b, value: "55555" },
      ]);
      expect(superseded).toBe(3);
      expect(events.map((event) => [event.id, text(event.bytes)])).toEqual([
        [a, "1"],
        [b, "55555"],
      ]);
    });

    it("G9: I9: an endpoint cannot end a task of another endpoint", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      const other = world.newId();
      await world.store.putEndpoint({ id: other, name: "other", owner: "mallory", description: "" });
      const forged = await world.report([{ id, value: "0" }], { endpoint: other, epoch: 1 });
      expect(forged.superseded).toBe(1);
      const start = await world.report([], { endpoint: other, epoch: 1, starts: [{ id, lease: 1 }] });
      expect(start.refusedStarts).toEqual([0]);
      expect(await world.state(id)).toBe("leased");
    });

    it("rule 10: a start is committed with its time and place, and answered alike when it comes again", async () => {
      const world = await createWorld(open);
      const id = await world.leased({ delivery: "at-most-once" });
      const first = await world.start(id);
      expect(first).toMatchObject({ refusedStarts: [], events: [{ id, state: "running", attempt: 1 }] });
      const again = await world.start(id);
      expect(again).toMatchObject({ refusedStarts: [], events: [] });
      expect(await world.store.getTask(id, OWNER)).toMatchObject({
        state: "running",
        attempt: 1,
        startedAt: world.clock.ms,
        block: "block-1",
        worker: "worker-1",
      });
    });

    it("rule 10: a start that does not match its lease must not run", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}, {}], pulls: [world.pull(3)] });
      await world.store.cancel({ owner: OWNER, ids: [ids[1] as string] });
      const starts = [
        { id: ids[0] as string, lease: 2 },
        { id: ids[1] as string, lease: 1 },
        { id: ids[2] as string, lease: 1 },
        { id: world.newId(), lease: 1 },
      ];
      expect((await world.report([], { starts })).refusedStarts).toEqual([0, 1, 3]);
    });

    it("rule 17: an older epoch starts nothing, but may still say what became of its work", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      const later = await world.store.startEpoch(
        world.endpoint,
        { ...hello(), nonce: "2" },
        { previousAnswers: false },
      );
      expect(later.epoch).toBe(world.epoch + 1);
      expect((await world.start(id)).refusedStarts).toEqual([0]);
      expect((await world.report([{ id, value: "1" }])).superseded).toBe(0);
      expect(await world.state(id)).toBe("succeeded");
    });

    it("a start and its end in one report are two events in order", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({ tasks: [{}, {}], pulls: [world.pull(2)] });
      const [a, b] = ids as [string, string];
      const failure = { code: "USER_ERROR" as const, message: "boom" };
      const { events } = await world.report(
        [
          { id: a, outcome: "failed", failure },
          { id: b, value: "1" },
        ],
        {
          starts: [{ id: a, lease: 1 }],
        },
      );
      expect(events.map(({ id, state }) => [id, state])).toEqual([
        [a, "running"],
        [a, "failed"],
        [b, "succeeded"],
      ]);
      expect(events.map((event) => event.sequence)).toEqual([1, 2, 3].map((n) => n + (events[0]?.sequence ?? 0) - 1));
    });

    it("a report's room is filled with what waits, in the same transaction", async () => {
      const world = await createWorld(open);
      const id = await world.leased();
      const waiting = await world.submit({ tasks: [{}, {}] });
      const { handouts } = await world.report([{ id, value: "1" }], { pulls: [world.pull(1)] });
      expect(handouts.flatMap((handout) => handout.tasks.map((task) => task.id))).toEqual([waiting.ids[0]]);
    });

    it("owners and groups of one report's events are told apart", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      const mine = await world.submit({
        specs: [{ group: "a" }, {}],
        tasks: [{}, { spec: 1 }],
        pulls: [world.pull(9)],
      });
      const his = await world.submit({ owner: "bob", specs: [{ group: "a" }], tasks: [{}], pulls: [world.pull(9)] });
      const { events } = await world.report([...his.ids, ...mine.ids].map((id) => ({ id, value: "1" })));
      expect(events.map(({ owner, group }) => [owner, group])).toEqual([
        ["bob", "a"],
        [OWNER, "a"],
        [OWNER, null],
      ]);
    });
  });
}

function hello() {
  return { version: "0", host: "laptop", bootId: "boot", pid: 8, nonce: "n", takeOver: false, orphanTimeoutMs: 1000 };
}
