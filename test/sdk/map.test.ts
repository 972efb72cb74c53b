import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Call } from "../../sdk/calls/call.ts";
import type { Code } from "../../sdk/code/code.ts";
import { ApiError, TaskError } from "../../sdk/errors.ts";
import { createMap, type Items, type MapOptions } from "../../sdk/map.ts";

const code = { name: "f", load: () => Promise.reject(new Error("unused")) } satisfies Code;

/** An engine whose calls end when the test says so. */
function controlled() {
  const open: Call[] = [];
  const cancelled: number[] = [];
  let most = 0;
  return {
    open,
    cancelled,
    most: () => most,
    engine: {
      submit(call: Call) {
        open.push(call);
        most = Math.max(most, open.length);
      },
      cancel: (call: Call) => void cancelled.push(call.index),
    },
    /** Ends one of the open calls; its value is the item. */
    end(position: number, error?: unknown) {
      const [call] = open.splice(position, 1);
      if (!call) return;
      if (error) call.listener.failed(call, error);
      else call.listener.succeeded(call, JSON.parse(call.text as string)[0]);
    },
  };
}

function mapOver(items: Items<unknown>, options: MapOptions = {}) {
  const control = controlled();
  return { ...control, results: createMap<unknown>(code, items, options, control.engine) };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("map", () => {
  it("yields every item once, whatever the order of the ends, and in order when asked", async () => {
    const shape = fc.record({
      count: fc.nat(40),
      inFlight: fc.integer({ min: 1, max: 12 }),
      ordered: fc.boolean(),
      asynchronous: fc.boolean(),
      ends: fc.infiniteStream(fc.nat(1000)),
      failing: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ count, inFlight, ordered, asynchronous, ends, failing }) => {
        const list = Array.from({ length: count }, (_, i) => i * 10);
        async function* later() {
          for (const item of list) {
            if (item % 3 === 0) await tick();
            yield item;
          }
        }
        const control = mapOver(asynchronous ? later() : list, { inFlight, ordered });
        const isFailing = (index: number) => failing > 0 && index % failing === failing - 1;
        let running = true;
        const worker = (async () => {
          while (running) {
            const position = (ends.next().value as number) % Math.max(1, control.open.length);
            const index = control.open[position]?.index ?? 0;
            control.end(position, isFailing(index) && new TaskError("id", { code: "OOM", message: "x" }));
            await tick();
          }
        })();
        const seen: number[] = [];
        for await (const { index, value, error } of control.results) {
          seen.push(index);
          if (isFailing(index)) expect(error).toBeInstanceOf(TaskError);
          else expect(value).toBe(index * 10);
        }
        running = false;
        await worker;
        if (!ordered) seen.sort((a, b) => a - b);
        expect(seen).toEqual(list.map((_, i) => i));
        expect(control.most()).toBeLessThanOrEqual(inFlight);
      }),
      { numRuns: 60 },
    );
  });

  it("takes no more items than are in flight and not yet asked for", async () => {
    let taken = 0;
    function* endless() {
      for (;;) yield taken++;
    }
    const { results, end, open } = mapOver(endless(), { inFlight: 5 });
    const first = results.next();
    expect(taken).toBe(5);
    for (let i = 0; i < 5; i++) end(0);
    expect(await first).toMatchObject({ value: { index: 0 } });
    await tick();
    expect(taken).toBe(6);
    expect(open).toHaveLength(1);
    await results.return?.();
  });

  it("in order holds back what ended early, within the same bound", async () => {
    const { results, end, open } = mapOver(
      Array.from({ length: 100 }, (_, i) => i),
      { inFlight: 4, ordered: true },
    );
    const first = results.next();
    for (let i = 0; i < 3; i++) end(1);
    await tick();
    expect(open.map(({ index }) => index)).toEqual([0]);
    end(0);
    expect(await first).toMatchObject({ value: { index: 0, value: 0 } });
    expect(await results.next()).toMatchObject({ value: { index: 1 } });
    await results.return?.();
  });

  it("cancels what is in flight when the loop is left, and closes the source", async () => {
    let closed = false;
    function* source() {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed = true;
      }
    }
    const { results, end, cancelled } = mapOver(source(), { inFlight: 3 });
    const loop = (async () => {
      for await (const { index } of results) return index;
      return -1;
    })();
    end(1);
    expect(await loop).toBe(1);
    expect(cancelled.sort()).toEqual([0, 2, 3]);
    expect(closed).toBe(true);
  });

  it("ends with the source's own error, cancelling what is in flight", async () => {
    function* source() {
      yield 1;
      throw new Error("source broke");
    }
    const { results, cancelled } = mapOver(source());
    await expect(results.next()).rejects.toThrow("source broke");
    expect(cancelled).toEqual([0]);
  });

  it("ends with an error that would meet every item", async () => {
    const { results, end, cancelled } = mapOver([1, 2, 3]);
    const next = results.next();
    end(0, new ApiError("UNAUTHENTICATED", "no"));
    await expect(next).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(cancelled).toEqual([1, 2]);
  });

  it("yields an item that cannot be sent as that item's error", async () => {
    const { results, end } = mapOver([1, () => 2, 3], { ordered: true });
    const first = results.next();
    end(0);
    end(0);
    expect(await first).toMatchObject({ value: { index: 0, value: 1 } });
    expect(await results.next()).toMatchObject({ value: { index: 1, error: { code: "NOT_SERIALISABLE" } } });
    expect(await results.next()).toMatchObject({ value: { index: 2, value: 3 } });
    expect(await results.next()).toEqual({ value: undefined, done: true });
  });

  it("of nothing is nothing", async () => {
    expect(await mapOver([]).results.next()).toEqual({ value: undefined, done: true });
  });

  it("refuses an inFlight that is not a positive number", () => {
    expect(() => mapOver([], { inFlight: 0 })).toThrow("inFlight is 0");
  });
});
