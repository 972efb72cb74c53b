import { describe, expect, it } from "vitest";
import type { Wire } from "../../../gateway/wire/wire.ts";
import { decodeFrame } from "../../../protocol/frame.ts";
import type { WorkMessage } from "../../../protocol/messages.ts";
import type { TestAgent } from "../../support/test-agent.ts";
import { createWorld, until } from "./world.ts";

/** A wire that loses batches while `lossy.on`, and keeps them so that they can still arrive late. */
function losing(lossy: { on: boolean; lost: [string, Uint8Array][] }) {
  return (wire: Wire): Wire => ({
    ...wire,
    work(endpoint, frame) {
      const { kind } = decodeFrame(frame).header as WorkMessage | { kind: "tasks" };
      if (!lossy.on || kind !== "tasks") return wire.work(endpoint, frame);
      lossy.lost.push([endpoint, frame]);
      return true;
    },
  });
}

describe("receipts", () => {
  it("rule 8: a batch without a receipt after 5 s is asked for; denied, it is queued again and counts no attempt", async () => {
    const lossy = { on: false, lost: [] as [string, Uint8Array][] };
    let wire: Wire | undefined;
    const world = await createWorld({ wrap: (real) => (wire = losing(lossy)(real)) });
    const agent = await world.agent({ window: 10, run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    lossy.on = true;
    const ids = await world.submit(4);
    lossy.on = false;
    expect(lossy.lost).toHaveLength(1);
    world.skip(4_000);
    await agent.beat();
    expect(asked(agent)).toEqual([]);
    world.skip(2_000);
    await until(() => agent.held().length === 4, "they were handed out again");
    expect(agent.held().map(({ lease, attempt }) => [lease, attempt])).toEqual(Array(4).fill([2, 0]));
    // The denial binds: what arrives late after all is dropped.
    wire?.work(...(lossy.lost[0] as [string, Uint8Array]));
    await world.submit(1);
    await until(() => agent.held().length === 5, "the next batch has arrived");
    expect(ids.map((id) => agent.took.get(`${id}#1`))).toEqual(Array(4).fill(undefined));
  });

  it("rule 8: a batch that only lost its receipt is not handed out twice", async () => {
    const world = await createWorld();
    const agent = await world.agent({ window: 10, run: () => undefined, pulls: false });
    agent.openPull();
    await until(() => agent.beats > 0, "the pull is open");
    await world.submit(3);
    await until(() => agent.held().length === 3, "the tasks have arrived");
    world.skip(6_000);
    await until(() => asked(agent).length > 0, "the gateway asks");
    expect(asked(agent)[0]).toMatchObject({ kind: "received?", batches: [1] });
    await world.submit(2);
    await until(() => agent.held().length === 5, "work goes on");
    expect([...agent.took.keys()].every((key) => key.endsWith("#1"))).toBe(true);
  });

  it("rule 8: until the agent has said what became of its batches it gets nothing new", async () => {
    const lossy = { on: false, lost: [] as [string, Uint8Array][] };
    const deaf = { on: false };
    const world = await createWorld({
      wrap: (wire) => {
        const half = losing(lossy)(wire);
        return { ...half, ask: (...asked) => (deaf.on ? undefined : half.ask(...asked)) };
      },
    });
    const agent = await world.agent({ window: 10, run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    lossy.on = deaf.on = true;
    const [lost] = await world.submit(1);
    world.skip(6_000);
    lossy.on = false;
    agent.openPull();
    const beats = agent.beats;
    await until(() => agent.beats > beats, "the new pull is open");
    const [queued] = await world.submit(1);
    await until(() => agent.waiting["1c0m0g"] === 1, "the task waits");
    expect(agent.held()).toEqual([]);
    deaf.on = false;
    await until(() => agent.held().length === 2, "both were handed out");
    expect(
      agent
        .held()
        .map(({ id, lease }) => [id, lease])
        .sort(),
    ).toEqual(
      [
        [lost, 2],
        [queued, 1],
      ].sort(),
    );
  });

  it("rule 8: what was on its way when the older pull ended is asked for at once", async () => {
    const lossy = { on: false, lost: [] as [string, Uint8Array][] };
    const world = await createWorld({ wrap: losing(lossy) });
    const agent = await world.agent({ window: 10, run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    lossy.on = true;
    await world.submit(2);
    lossy.on = false;
    agent.openPull();
    await until(() => agent.held().length === 2, "they were handed out again");
    expect(agent.held().every(({ lease }) => lease === 2)).toBe(true);
  });
});

/** What the gateway asked about batches; a gateway that starts also asks for pulls. */
function asked(agent: TestAgent) {
  return agent.controls.filter(({ kind }) => kind === "received?");
}
