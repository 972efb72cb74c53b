import { describe, expect, it } from "vitest";
import type { TaskQuery } from "../../../../gateway/store/port.ts";
import { createWorld, FUNCTION, type OpenStore, OWNER, putFunction, type World } from "./world.ts";

const OTHER = "e".repeat(64);
const SPECS = [{}, { group: "g" }, { function: OTHER }, { priority: 2, group: "h" }];

export function listRules(open: OpenStore): void {
  describe("lists and counts", () => {
    it("rule 23: a list is paged, without gaps and without repeats, both ways", async () => {
      const world = await createWorld(open);
      const ids = await many(world, 95);
      for (const order of ["newest", "oldest"] as const) {
        const seen = await listAll(world, { owner: OWNER, order, limit: 10 });
        expect(seen).toEqual(order === "oldest" ? ids : ids.toReversed());
      }
    });

    it("a page stays where it is while tasks come and go", async () => {
      const world = await createWorld(open);
      const ids = await many(world, 20);
      const first = await world.store.listTasks({ owner: OWNER, order: "newest", limit: 5 });
      await many(world, 10);
      const query = { owner: OWNER, order: "newest", limit: 5, cursor: first.cursor as string } as const;
      const second = await world.store.listTasks(query);
      expect([...first.items, ...second.items].map((task) => task.id)).toEqual(ids.toReversed().slice(0, 10));
    });

    it("lists are filtered by state, group, function, endpoint and time, and counts agree", async () => {
      const world = await createWorld(open);
      const ids = await many(world, 40);
      const bySpec = (...specs: number[]) => ids.filter((_, i) => specs.includes(i % SPECS.length));
      await world.pop(10);
      await world.store.cancel({ owner: OWNER, ids: ids.slice(30) });
      const between = world.clock.ms;
      world.clock.ms += 1000;
      const later = await many(world, 8);
      const all = [...ids, ...later];
      const cases: [Partial<TaskQuery>, string[]][] = [
        [{}, all],
        [{ group: "g" }, all.filter((_, i) => i % 4 === 1)],
        [{ function: OTHER }, all.filter((_, i) => i % 4 === 2)],
        [{ function: "other" }, all.filter((_, i) => i % 4 === 2)],
        [{ endpoint: "laptop" }, all],
        [{ endpoint: "nowhere" }, []],
        [{ group: "g", function: OTHER }, []],
        [{ states: ["cancelled"] }, ids.slice(30)],
        [{ states: ["cancelled"], group: "h" }, bySpec(3).filter((id) => ids.indexOf(id) >= 30)],
        [{ states: ["leased"], group: "h" }, bySpec(3).filter((id) => ids.indexOf(id) < 30)],
        [{ states: ["leased", "cancelled"], function: OTHER, sinceMs: between + 1 }, []],
        [{ sinceMs: between + 1 }, later],
        [{ untilMs: between + 1 }, ids],
        [{ sinceMs: between, untilMs: between + 1000, group: "g" }, bySpec(1)],
        [{ owner: "bob" }, []],
        [{ owner: null }, all],
      ];
      for (const [filter, expected] of cases) {
        const listed = await listAll(world, { owner: OWNER, order: "oldest", limit: 7, ...filter });
        expect(listed, JSON.stringify(filter)).toEqual(expected);
        const counts = await world.store.countTasks({ owner: OWNER, ...filter }, 10_000);
        const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
        expect(total, JSON.stringify(filter)).toBe(expected.length);
      }
    });

    it("A7: a clock that steps back upsets neither the order nor filters by time, and retries are due by the new time", async () => {
      const world = await createWorld(open);
      const before = await many(world, 4);
      const at = world.clock.ms;
      world.clock.ms -= 3_600_000;
      const after = await many(world, 4);
      expect(await listAll(world, { owner: OWNER, order: "oldest", limit: 3, sinceMs: at })).toEqual([
        ...before,
        ...after,
      ]);
      const id = await world.leased(
        { retries: 1, retryDelayMs: 100, priority: 9, resources: { cores: 2, memoryMb: 0, gpus: 0 } },
        "2c0m0g",
      );
      await world.report([{ id, outcome: "failed", failure: { code: "USER_ERROR", message: "" } }]);
      world.clock.ms += 100;
      expect((await world.store.tick(10)).events).toMatchObject([{ id, state: "queued" }]);
    });

    it("rule 23: counts are capped", async () => {
      const world = await createWorld(open);
      await many(world, 30);
      expect(await world.store.countTasks({ owner: OWNER }, 12)).toMatchObject({ queued: 12, leased: 0, failed: 0 });
    });

    it("I5: counts are those of the rows, through every state", async () => {
      const world = await createWorld(open);
      const { ids } = await world.submit({
        specs: [{ retries: 1 }],
        tasks: Array.from({ length: 9 }, () => ({})),
        pulls: [world.pull(8)],
      });
      const [a, b, c, d, e, f, g] = ids as [string, string, string, string, string, string, string];
      await world.report(
        [
          { id: a, value: "1" },
          { id: b, outcome: "failed", failure: { code: "USER_ERROR", message: "" } },
          { id: c, outcome: "failed", failure: { code: "LOAD_ERROR", message: "" } },
          { id: d, outcome: "lost" },
          { id: e, outcome: "returned" },
        ],
        { starts: [{ id: f, lease: 1 }] },
      );
      await world.store.cancel({ owner: null, ids: [g] });
      const counts = {
        queued: 3,
        leased: 1,
        running: 1,
        waiting: 1,
        succeeded: 1,
        failed: 1,
        cancelled: 1,
        expired: 0,
        held: 0,
        staging: 0,
      };
      expect(await world.store.countTasks({ owner: OWNER }, 100)).toEqual(counts);
      expect((await world.store.stats()).byState).toEqual(counts);
      const { items } = await world.store.listTasks({ owner: null, order: "oldest", limit: 100 });
      for (const [state, count] of Object.entries(counts)) {
        expect(
          items.filter((task) => task.state === state),
          state,
        ).toHaveLength(count);
      }
    });

    it("a task is shown with everything that its call asked for", async () => {
      const world = await createWorld(open);
      const spec = { group: "g", priority: 3, ttlMs: 5000, env: { B: "2", A: "1" }, retries: 1 };
      const retryOf = world.newId();
      const { ids } = await world.submit({ specs: [spec], tasks: [{ retryOf }] });
      expect(await world.store.getTask(ids[0] as string, OWNER)).toMatchObject({
        id: ids[0],
        state: "queued",
        owner: OWNER,
        function: FUNCTION,
        functionName: "noop",
        endpoint: world.endpoint,
        endpointName: "laptop",
        group: "g",
        priority: 3,
        spec: { function: FUNCTION, endpoint: world.endpoint, ...spec },
        submittedAt: world.clock.ms,
        expiresAt: world.clock.ms + 5000,
        retryOf,
        startedAt: null,
      });
      expect(await world.store.getTask(world.newId(), null)).toBeUndefined();
    });

    it("groups are listed newest first, with what is unfinished", async () => {
      const world = await createWorld(open);
      await putFunction(world.store, "bob", FUNCTION);
      await world.submit({ specs: [{ group: "one" }], tasks: [{}, {}] });
      const { ids } = await world.submit({
        specs: [{ group: "two" }, { group: "two", priority: 1 }],
        tasks: [{}, { spec: 1 }],
      });
      await world.submit({ owner: "bob", specs: [{ group: "two" }], tasks: [{}] });
      await world.store.cancel({ owner: null, ids: ids.slice(0, 1) });
      const first = await world.store.listGroups(OWNER, { limit: 1 });
      expect(first.items).toEqual([{ name: "two", createdAt: world.clock.ms, unfinished: 1 }]);
      const rest = await world.store.listGroups(OWNER, { limit: 5, cursor: first.cursor as string });
      expect(rest).toEqual({ items: [{ name: "one", createdAt: world.clock.ms, unfinished: 2 }], cursor: null });
      expect((await world.store.listGroups(null, { limit: 5 })).items).toHaveLength(3);
    });
  });
}

async function many(world: World, count: number): Promise<string[]> {
  await putFunction(world.store, OWNER, OTHER, "other");
  const tasks = Array.from({ length: count }, (_, i) => ({ spec: i % SPECS.length }));
  const { ids } = await world.submit({ specs: SPECS, tasks });
  return ids;
}

async function listAll(world: World, query: TaskQuery): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await world.store.listTasks({ ...query, ...(cursor ? { cursor } : {}) });
    expect(page.items.length).toBeLessThanOrEqual(query.limit);
    ids.push(...page.items.map((task) => task.id));
    cursor = page.cursor;
  } while (cursor !== null);
  return ids;
}
