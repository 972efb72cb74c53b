import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Store } from "../../../gateway/store/port.ts";
import { ApiError } from "../../../protocol/errors.ts";
import { succeed } from "../../support/test-agent.ts";
import { createWorld, until } from "./world.ts";

/** A gate that calls pass when it is open. */
function createGate() {
  let open: () => void = () => {};
  let passed: Promise<void> = Promise.resolve();
  return {
    shut() {
      passed = new Promise((resolve) => {
        open = resolve;
      });
    },
    open: () => open(),
    pass: () => passed,
  };
}

describe("commits", () => {
  it("rule 13: results are answered, and told to whoever watches, after their commit", async () => {
    const gate = createGate();
    const slow = (store: Store): Store => ({
      ...store,
      async report(input) {
        await gate.pass();
        return store.report(input);
      },
    });
    const world = await createWorld({ spy: slow });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const [id] = (await world.submit(1)) as [string];
    await until(() => agent.held().length === 1, "the task has arrived");
    gate.shut();
    let answered = false;
    const reported = agent.report([succeed({ id, lease: 1 })]).finally(() => {
      answered = true;
    });
    await sleep(300);
    expect(answered).toBe(false);
    expect(world.ends.has(id)).toBe(false);
    gate.open();
    expect(await reported).toMatchObject({ ok: true });
    expect(await world.state(id)).toBe("succeeded");
    expect(world.ends.get(id)).toEqual(["succeeded"]);
  });

  it("N9: when the database refuses, the agent keeps its results and they land when it is back", async () => {
    const refusing = { left: 0, error: new ApiError("UNAVAILABLE", "the disk is away") };
    const world = await createWorld({
      spy: (store) => ({
        ...store,
        report: (input) => (refusing.left-- > 0 ? Promise.reject(refusing.error) : store.report(input)),
      }),
    });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const [id] = (await world.submit(1)) as [string];
    await until(() => agent.held().length === 1, "the task has arrived");
    refusing.left = 3;
    expect(await agent.report([succeed({ id, lease: 1 })])).toEqual({ ok: true, superseded: 0 });
    expect(refusing.left).toBeLessThan(0);
    expect(world.ends.get(id)).toEqual(["succeeded"]);
  });

  it("rule 5: what a transaction leased to a pull that was replaced meanwhile is queued again, unsent", async () => {
    const gate = createGate();
    const slow = (store: Store): Store => ({
      ...store,
      async submit(input) {
        const output = await store.submit(input);
        await gate.pass();
        return output;
      },
    });
    const world = await createWorld({ spy: slow });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    gate.shut();
    const submitted = world.submit(2);
    await until(
      async () => (await world.store.leasesOf(world.endpoint, Date.now() + 1)).length === 2,
      "both are leased",
    );
    const before = agent.beats;
    agent.openPull();
    await until(() => agent.beats > before, "the newer pull is open");
    gate.open();
    const ids = await submitted;
    await until(() => agent.held().length === 2, "they came in the newer pull");
    expect([...agent.took.keys()].sort()).toEqual(ids.map((id) => `${id}#2`).sort());
    expect(agent.held().every(({ attempt }) => attempt === 0)).toBe(true);
  });

  it("a pop that fails is tried again", async () => {
    const refusing = { left: 0 };
    const world = await createWorld({
      spy: (store) => ({
        ...store,
        pop: (pulls) =>
          refusing.left-- > 0 ? Promise.reject(new ApiError("UNAVAILABLE", "the disk is away")) : store.pop(pulls),
      }),
    });
    const ids = await world.submit(3);
    refusing.left = 2;
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    await until(() => ids.every((id) => world.ends.has(id)), "the tasks have ended");
  });
});
