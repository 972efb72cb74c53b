import { describe, expect, it } from "vitest";
import type { Store } from "../../../gateway/store/port.ts";
import { createWorld, until } from "./world.ts";

describe("hand-out", () => {
  it("rule 2: a submit that finds an open pull is leased and sent in its own transaction", async () => {
    const calls: string[] = [];
    const world = await createWorld({ spy: (store) => noting(store, calls) });
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    calls.length = 0;
    for (let i = 0; i < 5; i++) {
      const [id] = await world.submit(1);
      await until(() => world.ends.has(id as string), "the task has ended");
    }
    expect(calls).toEqual(Array(5).fill(["submit", "report"]).flat());
    expect(agent.took.size).toBe(5);
  });

  it("rule 4: never more is sent than the window states, and the rest stays queued", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 10, run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    await Promise.all(Array.from({ length: 8 }, () => world.submit(5)));
    await until(() => agent.waiting["1c0m0g"] === 30, "the agent knows what waits");
    expect(agent.held()).toHaveLength(10);
    const first = agent.held().slice(0, 4);
    for (const task of first) await agent.finish(task);
    await until(() => agent.waiting["1c0m0g"] === 26, "four more were handed out");
    expect(agent.held()).toHaveLength(10);
    expect([...agent.took.values()].every((times) => times === 1)).toBe(true);
  });

  it("an agent that does not receipt is sent 16 MiB and no more, and is sent the rest when it does", async () => {
    const world = await createWorld();
    const agent = await world.agent({ pulls: false, run: () => undefined, window: 100_000 });
    agent.openPull();
    await until(() => agent.beats > 0, "the pull is open");
    agent.credit(1_000_000, 1e12);
    const size = 200 * 1024;
    const most = Math.ceil((16 * 1024 * 1024) / size);
    for (let i = 0; i < 12; i++) await world.submit(10, { argsBytes: size });
    await until(() => agent.held().length >= most, "16 MiB have arrived");
    expect(await world.store.waiting(world.endpoint, 1_000)).toEqual({ "1c0m0g": 120 - agent.held().length });
    expect(agent.held().length).toBeLessThan(most + 10);
    expect(world.dispatcher.counts().unreceiptedBytes).toBeGreaterThan(16 * 1024 * 1024);
    agent.credit(1_000_000, 1e12);
    await until(() => agent.held().length === 120, "the rest has arrived");
  });

  it("gateways that come and go under load lose nothing and hand nothing out twice", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 200 });
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 10; i++) ids.push(...(await world.submit(20)));
      await world.restartGateway();
      agent.openPull();
    }
    await until(() => ids.every((id) => world.ends.has(id)), "every task has ended");
    expect([...world.ends.values()].filter((ends) => ends.length !== 1)).toEqual([]);
    expect([...agent.took.values()].filter((times) => times > 1)).toEqual([]);
  });
});

/** The calls that write, but not the look at the table every two seconds, which finds nothing and writes nothing. */
function noting(store: Store, calls: string[]): Store {
  return {
    ...store,
    submit(input) {
      calls.push("submit");
      return store.submit(input);
    },
    report(input) {
      calls.push("report");
      return store.report(input);
    },
    async pop(pulls) {
      const popped = await store.pop(pulls);
      if (popped.handouts.length > 0) calls.push("pop");
      return popped;
    },
  };
}
