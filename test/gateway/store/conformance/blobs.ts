import { describe, expect, it } from "vitest";
import { createWorld, DAY_MS, FUNCTION, type OpenStore, OWNER, putFunction } from "./world.ts";

const HASH = "a".repeat(64);
const BLOB = { hash: HASH, size: 300_000, file: "blob-1" };

export function blobRules(open: OpenStore): void {
  describe("blobs", () => {
    it("rule 28: a task may name a blob that is stored, and is handed out with its name", async () => {
      const world = await createWorld(open);
      const task = { blob: HASH, size: 300_000, encoding: "cbor" as const };
      expect((await world.submit({ tasks: [task] })).rejected).toMatchObject([{ code: "BLOB_MISSING" }]);
      await world.store.putBlob({ ...BLOB, owner: OWNER });
      const { ids } = await world.submit({ tasks: [task, { args: "[1]" }] });
      const { handouts } = await world.store.pop([world.pull(9, { bytes: 100 })]);
      expect(handouts[0]?.tasks[0]).toMatchObject({ blob: HASH, size: 300_000, encoding: "cbor" });
      expect(handouts[0]?.body).toHaveLength(3);
      expect(await world.store.payloadOf(ids[0] as string, "arguments")).toEqual({
        encoding: "cbor",
        bytes: null,
        blob: HASH,
        size: 300_000,
      });
      const again = await world.submit({ tasks: [{ ...task, id: ids[0] as string }] });
      expect(again.rejected).toEqual([]);
      const direct = await world.submit({ tasks: [task], pulls: [world.pull(9)] });
      expect(direct.handouts[0]?.tasks[0]).toMatchObject({ blob: HASH, size: 300_000, encoding: "cbor" });
    });

    it("I9: a blob is there for those who uploaded it", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      await world.store.putBlob({ ...BLOB, owner: OWNER });
      expect(await world.store.getBlob(HASH, OWNER)).toEqual(BLOB);
      expect(await world.store.getBlob(HASH, "bob")).toBeUndefined();
      expect(await world.store.getBlob(HASH, null)).toEqual(BLOB);
      const { rejected } = await world.submit({ owner: "bob", tasks: [{ blob: HASH, size: 300_000 }] });
      expect(rejected).toMatchObject([{ code: "BLOB_MISSING" }]);
    });

    it("rule 28: a second upload keeps the first one's file", async () => {
      const world = await createWorld(open);
      await world.store.putBlob({ ...BLOB, owner: OWNER });
      await world.store.putBlob({ ...BLOB, file: "blob-2", owner: "bob" });
      expect(await world.store.getBlob(HASH, "bob")).toEqual(BLOB);
    });

    it("a result may be a blob; the task's owner may read it, and one that is not stored fails the task", async () => {
      const world = await createWorld(open);
      await world.store.putBlob({ ...BLOB, owner: "agent" });
      const { ids } = await world.submit({ tasks: [{}, {}], pulls: [world.pull(2)] });
      const [stored, missing] = ids as [string, string];
      const { events } = await world.report([
        { id: stored, blob: HASH, size: 300_000, encoding: "cbor", out: "log" },
        { id: missing, blob: "b".repeat(64), size: 9 },
      ]);
      expect(events).toMatchObject([
        { id: stored, state: "succeeded", blob: HASH, size: 300_000, encoding: "cbor" },
        { id: missing, state: "failed", failure: { code: "BLOB_GONE" } },
      ]);
      expect(events[0]?.bytes).toBeUndefined();
      expect(await world.store.getTask(stored, OWNER)).toMatchObject({
        resultBlob: HASH,
        resultSize: 300_000,
        resultEncoding: "cbor",
      });
      expect(await world.store.getBlob(HASH, OWNER)).toEqual(BLOB);
    });

    it("rule 28: the sweeper takes what nothing names and nobody touched", async () => {
      const world = await createWorld(open);
      await world.store.putBlob({ ...BLOB, owner: OWNER });
      await world.store.putBlob({ hash: "b".repeat(64), size: 1, file: "blob-2", owner: OWNER });
      const { ids } = await world.submit({ tasks: [{ blob: HASH, size: 300_000 }], pulls: [world.pull(1)] });
      world.clock.ms += DAY_MS;
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual([]);
      world.clock.ms += 1;
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual(["blob-2"]);
      expect(await world.store.getBlob("b".repeat(64), OWNER)).toBeUndefined();
      await world.report([{ id: ids[0] as string, value: "1" }]);
      world.clock.ms += 15 * DAY_MS;
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual([]);
      await world.store.retain(100);
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual([]);
      world.clock.ms += DAY_MS + 1;
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual(["blob-1"]);
      expect((await world.submit({ tasks: [{ blob: HASH, size: 300_000 }] })).rejected).toMatchObject([
        { code: "BLOB_MISSING" },
      ]);
    });

    it("rule 28: an upload that comes again keeps the blob from the sweeper", async () => {
      const world = await createWorld(open);
      await world.store.putBlob({ ...BLOB, owner: OWNER });
      world.clock.ms += DAY_MS;
      await world.store.putBlob({ ...BLOB, file: "blob-2", owner: OWNER });
      world.clock.ms += 1;
      expect(await world.store.sweepBlobs(DAY_MS, 10)).toEqual([]);
    });
  });
}
