import { describe, expect, it } from "vitest";
import { createWorld, DAY_MS, FUNCTION, type OpenStore, OWNER, putFunction, text } from "./world.ts";

export function submitRules(open: OpenStore): void {
  describe("submit", () => {
    it("rule 1: the same id with the same body is the same task, however often it comes", async () => {
      const world = await createWorld(open);
      const id = world.newId();
      for (let i = 0; i < 3; i++) {
        const { rejected } = await world.submit({ tasks: [{ id, args: "[1]" }] });
        expect(rejected).toEqual([]);
      }
      expect(await world.pop()).toHaveLength(1);
      expect((await world.store.stats()).byState).toMatchObject({ leased: 1, queued: 0 });
    });

    it("G4: of 100 equal submits at once one makes the task, and all are answered alike", async () => {
      const world = await createWorld(open);
      const id = world.newId();
      const submits = Array.from({ length: 100 }, () => world.submit({ tasks: [{ id }], pulls: [world.pull(10)] }));
      const answers = await Promise.all(submits);
      expect(answers.flatMap((answer) => answer.rejected)).toEqual([]);
      expect(answers.flatMap((answer) => answer.handouts)).toHaveLength(1);
      expect((await world.store.stats()).byState).toMatchObject({ leased: 1, queued: 0 });
    });

    it("rule 1: the same id with another body is refused and the stored task stays as it is", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, OWNER, "e".repeat(64), "other");
      const { ids } = await world.submit({ tasks: [{ args: "[1]" }] });
      const id = ids[0] as string;
      const others = [
        { tasks: [{ id, args: "[2]" }] },
        { tasks: [{ id, args: "[1] " }] },
        { tasks: [{ id, args: "[1]", encoding: "cbor" as const }] },
        { tasks: [{ id, args: "[1]", retryOf: world.newId() }] },
        { specs: [{ priority: 1 }], tasks: [{ id, args: "[1]" }] },
        { specs: [{ function: "e".repeat(64) }], tasks: [{ id, args: "[1]" }] },
        { specs: [{ env: { A: "1" } }], tasks: [{ id, args: "[1]" }] },
      ];
      for (const other of others) {
        expect((await world.submit(other)).rejected).toMatchObject([{ index: 0, code: "TASK_MISMATCH" }]);
      }
      expect(text((await world.store.payloadOf(id, "arguments"))?.bytes)).toBe("[1]");
      expect(await world.pop()).toHaveLength(1);
    });

    it("rule 1: large arguments are compared too", async () => {
      const world = await createWorld(open);
      const args = "x".repeat(100_000);
      const { ids } = await world.submit({ tasks: [{ args }] });
      const id = ids[0] as string;
      expect((await world.submit({ tasks: [{ id, args }] })).rejected).toEqual([]);
      expect((await world.submit({ tasks: [{ id, args: `${args.slice(1)}y` }] })).rejected).toHaveLength(1);
    });

    it("rule 2: large arguments that are handed out at once are those that were submitted", async () => {
      const world = await createWorld(open);
      const args = ["a", "b", "c"].map((letter) => letter.repeat(100_000));
      const tasks = args.map((text) => ({ args: text }));
      for (const room of [3, 2]) {
        const { handouts } = await world.submit({ tasks, pulls: [world.pull(room)] });
        expect(handouts.map(({ body }) => text(body))).toEqual([args.slice(0, room).join("")]);
      }
      const { handouts } = await world.store.pop([world.pull(10)]);
      expect(handouts.map(({ body }) => text(body))).toEqual([args[2]]);
    });

    it("I9: another owner's id is refused without a word about its task", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      const { ids } = await world.submit({ tasks: [{ args: "[1]" }] });
      const tasks = [{ id: ids[0] as string, args: "[1]" }];
      const { rejected } = await world.submit({ owner: "bob", tasks });
      expect(rejected).toMatchObject([{ code: "TASK_MISMATCH" }]);
      expect(rejected[0]?.message).not.toContain(OWNER);
      expect(await world.store.getTask(ids[0] as string, "bob")).toBeUndefined();
    });

    it("rule 1: ids are inserted in sorted order, whatever the order in the batch", async () => {
      const world = await createWorld(open);
      const ids = Array.from({ length: 20 }, world.newId);
      const shuffled = ids.map((id, i) => ({ id, args: `[${i}]` })).reverse();
      await world.submit({ tasks: shuffled });
      const { handouts } = await world.store.pop([world.pull(100)]);
      expect(handouts[0]?.tasks.map((task) => task.id)).toEqual(ids);
      expect(text(handouts[0]?.body)).toBe(ids.map((_, i) => `[${i}]`).join(""));
    });

    it("rule 1: an id twice in one batch is one task, and a mismatch when the bodies differ", async () => {
      const world = await createWorld(open);
      const id = world.newId();
      const { rejected, handouts } = await world.submit({
        tasks: [
          { id, args: "[1]" },
          { id, args: "[1]" },
          { id, args: "[2]" },
        ],
        pulls: [world.pull(10)],
      });
      expect(rejected).toMatchObject([{ index: 2, code: "TASK_MISMATCH" }]);
      expect(handouts.flatMap((handout) => handout.tasks)).toHaveLength(1);
      expect(text(handouts[0]?.body)).toBe("[1]");
    });

    it("rule 2: a submit that finds room leases what it created in its own transaction", async () => {
      const world = await createWorld(open);
      const { ids, handouts, queued } = await world.submit({
        specs: [{}, { timeoutMs: 5000, env: { A: "1" } }],
        tasks: [{ args: "[1]" }, { args: "[2]", spec: 1, encoding: "cbor" }, { args: "[3]" }],
        pulls: [world.pull(10)],
      });
      expect(queued).toEqual([]);
      expect(handouts).toHaveLength(1);
      const [handout] = handouts;
      expect(handout).toMatchObject({ endpoint: world.endpoint, epoch: world.epoch, pull: 1 });
      expect(handout?.tasks).toMatchObject([
        { id: ids[0], lease: 1, attempt: 0, length: 3 },
        { id: ids[1], lease: 1, attempt: 0, length: 3, spec: 1, encoding: "cbor" },
        { id: ids[2], lease: 1, attempt: 0, length: 3 },
      ]);
      expect(handout?.specs).toMatchObject([
        { function: FUNCTION, owner: OWNER },
        { timeoutMs: 5000, env: { A: "1" }, owner: OWNER },
      ]);
      expect(handout?.specs[0]?.key).not.toBe(handout?.specs[1]?.key);
      expect(handout?.classes).toEqual(["1c0m0g", "1c0m0g"]);
      expect(text(handout?.body)).toBe("[1][2][3]");
      expect(await world.state(ids[1] as string)).toBe("leased");
    });

    it("rule 2: a repeated submit leases nothing again (100 tasks sent three times run 100 times)", async () => {
      const world = await createWorld(open);
      const tasks = Array.from({ length: 100 }, () => ({ id: world.newId() }));
      let handedOut = 0;
      for (let i = 0; i < 3; i++) {
        const { handouts } = await world.submit({ tasks, pulls: [world.pull(1000)] });
        for (const handout of handouts) handedOut += handout.tasks.length;
      }
      expect(handedOut).toBe(100);
    });

    it("rule 2: a submit leases only while the endpoint names the pull's epoch and number", async () => {
      const world = await createWorld(open);
      const stale = [
        world.pull(9, { pull: 2 }),
        world.pull(9, { epoch: 9 }),
        world.pull(9, { endpoint: world.newId() }),
      ];
      for (const pull of stale) {
        const { handouts, queued } = await world.submit({ tasks: [{}], pulls: [pull] });
        expect(handouts).toEqual([]);
        expect(queued).toEqual([world.endpoint]);
      }
    });

    it("rule 3: an unknown id older than the retention time is refused, a known one is not", async () => {
      const world = await createWorld(open);
      const old = world.newId();
      const { ids } = await world.submit({ specs: [{ ttlMs: 100 * DAY_MS }], tasks: [{}] });
      world.clock.ms += 15 * DAY_MS;
      expect((await world.submit({ tasks: [{ id: old }] })).rejected).toMatchObject([{ index: 0, code: "GONE" }]);
      const again = await world.submit({ specs: [{ ttlMs: 100 * DAY_MS }], tasks: [{ id: ids[0] as string }] });
      expect(again.rejected).toEqual([]);
    });

    it("G5: a batch is accepted task by task, each refusal with its own reason", async () => {
      const world = await createWorld(open);
      const { rejected, ids } = await world.submit({
        specs: [{}, { function: "0".repeat(64) }, { endpoint: world.newId() }],
        tasks: [{}, { spec: 1 }, {}, { spec: 2 }, { blob: "b".repeat(64), size: 300_000 }],
      });
      expect(rejected.map(({ index, code }) => [index, code])).toEqual([
        [1, "FUNCTION_UNKNOWN"],
        [3, "ENDPOINT_UNKNOWN"],
        [4, "BLOB_MISSING"],
      ]);
      expect((await world.pop()).map((task) => task.id)).toEqual([ids[0], ids[2]]);
    });

    it("a function is known to those who registered it", async () => {
      const world = await createWorld(open);
      expect((await world.submit({ owner: "bob", tasks: [{}] })).rejected).toMatchObject([
        { code: "FUNCTION_UNKNOWN" },
      ]);
    });
  });
}
