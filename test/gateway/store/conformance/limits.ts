import { describe, expect, it } from "vitest";
import { createWorld, FUNCTION, type OpenStore, putFunction } from "./world.ts";

const roomy = { tasks: 1000, bytes: 1e9 };

export function limitRules(open: OpenStore): void {
  describe("limits", () => {
    it("a submit over the owner's tasks is refused as a whole, before anything is written", async () => {
      const world = await createWorld(open, { perOwner: { tasks: 3, bytes: 1e9 } });
      const first = await world.submit({ tasks: [{}, {}] });
      await expect(world.submit({ tasks: [{}, {}] })).rejects.toMatchObject({ code: "QUEUE_FULL" });
      expect((await world.pop()).map((task) => task.id)).toEqual(first.ids);
      await world.submit({ tasks: [{}] });
    });

    it("a submit over the owner's bytes is refused", async () => {
      const world = await createWorld(open, { perOwner: { tasks: 100, bytes: 1000 } });
      await world.submit({ tasks: [{ args: "x".repeat(900) }] });
      await expect(world.submit({ tasks: [{ args: "x".repeat(101) }] })).rejects.toMatchObject({ code: "QUEUE_FULL" });
      await world.submit({ tasks: [{ args: "x".repeat(100) }] });
    });

    it("an endpoint's limits count every owner", async () => {
      const world = await createWorld(open, { perOwner: roomy, perEndpoint: { tasks: 2, bytes: 1e9 } });
      await putFunction(world.store, "bob", FUNCTION);
      await world.submit({ tasks: [{}] });
      await world.submit({ owner: "bob", tasks: [{}] });
      const refused = world.submit({ owner: "bob", tasks: [{}] });
      await expect(refused).rejects.toMatchObject({
        code: "QUEUE_FULL",
        details: { retryAfterMs: expect.any(Number) },
      });
    });

    it("I8: a repeated submit is answered as the first, also when the queue is full now", async () => {
      const world = await createWorld(open, { perOwner: { tasks: 2, bytes: 1e9 } });
      const { ids } = await world.submit({ tasks: [{}, {}] });
      const again = await world.submit({ tasks: ids.map((id) => ({ id })) });
      expect(again.rejected).toEqual([]);
    });

    it("what ends makes room, however it ends", async () => {
      const world = await createWorld(open, { perOwner: { tasks: 4, bytes: 10 } });
      const { ids } = await world.submit({
        specs: [{}, { ttlMs: 10 }],
        tasks: [{ args: "[1]" }, { args: "[2]" }, { args: "[]" }, { args: "[]", spec: 1 }],
        pulls: [world.pull(2)],
      });
      await world.report([
        { id: ids[0] as string, value: "1" },
        { id: ids[1] as string, outcome: "failed" },
      ]);
      await world.store.cancel({ owner: null, ids: [ids[2] as string] });
      world.clock.ms += 10;
      await world.store.tick(10);
      await world.submit({ tasks: [{ args: "[1]" }, { args: "[1]" }, { args: "[]" }, { args: "[]" }] });
      await expect(world.submit({ tasks: [{ args: "" }] })).rejects.toMatchObject({ code: "QUEUE_FULL" });
    });
  });
}
