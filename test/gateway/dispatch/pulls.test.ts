import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../protocol/frame.ts";
import { newId } from "../../../protocol/ids.ts";
import { subjects } from "../../../protocol/subjects.ts";
import { createWorld, FUNCTION, until } from "./world.ts";

const CLASS = "1c0m0g";

describe("pulls", () => {
  it("rule 5: a newer pull number cancels the older one, and an older one is refused", async () => {
    const world = await createWorld();
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the first pull is open");
    agent.openPull();
    const before = agent.beats;
    await until(() => agent.beats > before, "the second pull is open");
    const epoch = 1;
    const late = { epoch, pull: 1, limits: { [CLASS]: { tasks: 100, bytes: 1e6 } }, countUpTo: 10 };
    const connection = await world.connect();
    connection.publish(subjects.pull(world.endpoint), encodeFrame(late));
    connection.publish(subjects.credit(world.endpoint), encodeFrame({ ...late, received: 0 }));
    await connection.flush();
    await world.submit(3);
    await until(() => agent.held().length === 3, "the tasks came in the newer pull");
    expect(agent.received).toBe(3);
    await connection.close();
  });

  it("rule 5: an open pull beats, and one whose agent is silent gets nothing more", async () => {
    const world = await createWorld();
    const agent = await world.agent({ pulls: false });
    agent.openPull();
    await until(() => agent.beats > 0, "the pull is open");
    const before = agent.beats;
    world.skip(5_000);
    await until(() => agent.beats > before, "it beats");
    expect(world.dispatcher.status(world.endpoint).online).toBe(true);
    world.skip(31_000);
    await until(() => !world.dispatcher.status(world.endpoint).online, "it is silent");
    await until(() => world.dispatcher.counts().openPulls === 0, "its pull is closed");
    await world.submit(2);
    expect(await world.store.waiting(world.endpoint, 1_000)).toEqual({ [CLASS]: 2 });
    agent.openPull();
    await until(
      async () => Object.keys(await world.store.waiting(world.endpoint, 1_000)).length === 0,
      "it pulls anew",
    );
  });

  it("rule 5: what was queued past this gateway is found by its look at the table", async () => {
    const world = await createWorld();
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    // Straight to the store, as another gateway whose nudge was lost.
    const id = newId();
    const header = { specs: [{ function: FUNCTION, endpoint: world.endpoint }], tasks: [{ id, length: 1 }] };
    await world.store.submit({ owner: "ada", header, body: new Uint8Array(1), pulls: [] });
    await until(() => world.ends.has(id), "the task was found and has ended");
  });

  it("rule 6: an agent without a slot learns at once how much waits, counted up to what it can hold", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 0, countUpTo: 20 });
    await until(() => agent.beats > 0, "the pull is open");
    await world.submit(3);
    await until(() => agent.waiting[CLASS] === 3, "it knows of three");
    await world.submit(2, { spec: { resources: { cores: 4, memoryMb: 0, gpus: 0 } } });
    await until(() => agent.waiting["4c0m0g"] === 2, "it knows of the other class");
    const before = agent.waits;
    for (let i = 0; i < 20; i++) await world.submit(10);
    await until(() => agent.waiting[CLASS] === 20, "counted up to 20");
    expect(agent.waits - before).toBeLessThan(20);
    expect(agent.took.size).toBe(0);
  });

  it("rule 6: when the queue is empty again, the agent is told", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 0 });
    await until(() => agent.beats > 0, "the pull is open");
    const ids = await world.submit(2);
    await until(() => agent.waiting[CLASS] === 2, "it knows of two");
    world.dispatcher.apply(await world.store.cancel({ owner: null, ids }));
    await until(() => agent.waiting[CLASS] === undefined, "it knows that nothing waits");
  });

  it("rule 6: a newer pull tells that nothing waits, too, as an older one had told otherwise", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 0 });
    await until(() => agent.beats > 0, "the pull is open");
    const ids = await world.submit(2);
    await until(() => agent.waiting[CLASS] === 2, "it knows of two");
    // As when they were handed out in the newer pull, at its opening.
    await world.store.cancel({ owner: null, ids });
    agent.openPull();
    await until(() => agent.waiting[CLASS] === undefined, "it knows that nothing waits");
  });

  it("a gateway that goes away says so, and its successor takes the pulls", async () => {
    const world = await createWorld();
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    await world.restartGateway();
    expect(agent.ended).toContain("shutdown");
    // Nobody listened when the agent pulled anew; it does so again after silence.
    agent.openPull();
    const ids = await world.submit(5);
    await until(() => ids.every((id) => world.ends.has(id)), "tasks end");
  });
});
