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
