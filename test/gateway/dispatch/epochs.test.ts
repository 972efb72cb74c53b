import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../protocol/frame.ts";
import type { HelloAnswer } from "../../../protocol/messages.ts";
import { subjects } from "../../../protocol/subjects.ts";
import { ask } from "../../support/agent-connection.ts";
import { createWorld, until } from "./world.ts";

const HELLO = {
  version: "0",
  host: "test",
  bootId: "boot",
  pid: 1,
  nonce: "one",
  takeOver: false,
  orphanTimeoutMs: 60_000,
};

describe("epochs", () => {
  it("rule 17: the newer agent wins; the older is told by its pull and by its next heartbeat, and pulls no more", async () => {
    const world = await createWorld();
    const older = await world.agent();
    await until(() => older.beats > 0, "the older one's pull is open");
    expect(await older.beat()).toMatchObject({ ok: true });
    const newer = await world.agent();
    expect(newer.hello).toMatchObject({ ok: true, epoch: 2, previous: { epoch: 1, host: "test", bootId: "boot" } });
    await until(() => older.ended.includes("superseded"), "the older one is told");
    expect(await older.beat()).toMatchObject({ ok: false, error: { code: "EPOCH_SUPERSEDED" } });
    older.openPull();
    await until(() => newer.beats > 0, "the newer one's pull is open");
    const ids = await world.submit(10);
    await until(() => ids.every((id) => world.ends.has(id)), "the tasks have ended");
    expect(newer.took.size).toBe(10);
    expect(older.took.size).toBe(0);
    await until(() => older.ended.length >= 2, "its new pull was refused");
  });

  it("G1: a gateway that starts asks every agent to open its pull anew, so that work goes on at once", async () => {
    const world = await createWorld();
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    const before = agent.controls.filter(({ kind }) => kind === "pull").length;
    await world.restartGateway();
    await until(() => agent.controls.filter(({ kind }) => kind === "pull").length > before, "it is asked");
  });

  it("rule 17: a start from another host needs take-over while the older agent answers", async () => {
    const world = await createWorld();
    const older = await world.agent();
    await until(() => older.beats > 0, "the pull is open");
    const refused = await world.agent({ hello: { host: "elsewhere" }, pulls: false });
    expect(refused.hello).toMatchObject({ ok: false, error: { code: "ENDPOINT_IN_USE" } });
    expect(await older.beat()).toMatchObject({ ok: true });
    const taker = await world.agent({ hello: { host: "elsewhere", takeOver: true }, pulls: false });
    expect(taker.hello).toMatchObject({ ok: true, epoch: 2 });
  });

  it("rule 17: a gateway that has heard nobody yet asks the older agent whether it is there", async () => {
    const world = await createWorld();
    const older = await world.agent();
    await until(() => older.beats > 0, "the pull is open");
    await world.restartGateway();
    const connection = await world.connect();
    const other = { ...HELLO, host: "elsewhere" };
    expect(await ask<HelloAnswer>(connection, subjects.hello(world.endpoint), other)).toMatchObject({
      ok: false,
      error: { code: "ENDPOINT_IN_USE" },
    });
    await older.stop();
    await world.restartGateway();
    const again = ask<HelloAnswer>(connection, subjects.hello(world.endpoint), { ...other, nonce: "two" });
    expect(await again).toMatchObject({ ok: true, epoch: 2 });
    await connection.close();
  });

  it("N9: a hello whose answer was lost is answered alike and counted once, also by another gateway", async () => {
    const world = await createWorld();
    const connection = await world.connect();
    const hello = () => ask<HelloAnswer>(connection, subjects.hello(world.endpoint), HELLO);
    const first = await hello();
    expect(first).toMatchObject({ ok: true, epoch: 1, previous: null });
    expect(await hello()).toEqual(first);
    await world.restartGateway();
    expect(await hello()).toMatchObject({ ok: true, epoch: 1, previous: null });
    await connection.close();
  });

  it("a deleted endpoint's agent is refused whatever it says", async () => {
    const world = await createWorld();
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    world.dispatcher.apply(await world.store.deleteEndpoint(world.endpoint));
    expect(await agent.beat()).toMatchObject({ ok: false, error: { code: "NOT_FOUND" } });
    expect(world.dispatcher.status(world.endpoint)).toEqual({ online: false, lastSeenAt: null, summary: null });
    const connection = await world.connect();
    connection.publish(subjects.results(world.endpoint), encodeFrame({}), { reply: "elsewhere" });
    const answer = await ask<HelloAnswer>(connection, subjects.hello(world.endpoint), { ...HELLO, nonce: "three" });
    expect(answer).toMatchObject({ ok: false, error: { code: "NOT_FOUND" } });
    await connection.close();
  });

  it("A5: two agents with one id, over and over: each task is held by one of them at a time and ends once", async () => {
    const world = await createWorld();
    const rounds = Number(process.env.FARCALL_EPOCH_ROUNDS ?? 30);
    const agents = [];
    const ids: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const agent = await world.agent({ window: 20 });
      agents.push(agent);
      expect(agent.hello).toMatchObject({ ok: true, epoch: round + 1 });
      ids.push(...(await world.submit(20)));
    }
    const last = agents.at(-1);
    await until(async () => {
      // What a deposed agent took and did not report is repaired as rule 9 says.
      world.skip(10_000);
      const held = last?.held().map(({ id, lease }): [string, number] => [id, lease]) ?? [];
      await last?.beat(10_000, held);
      return ids.every((id) => world.ends.has(id));
    }, "every task has ended");
    expect([...world.ends.values()].filter((ends) => ends.length > 1)).toEqual([]);
    for (const agent of agents) expect([...agent.took.values()].filter((times) => times > 1)).toEqual([]);
    // One hand-out of a task is in one agent's hands only.
    const handOuts = agents.flatMap((agent) => [...agent.took.keys()]);
    expect(new Set(handOuts).size).toBe(handOuts.length);
    const current = agents.filter(({ ended }) => !ended.includes("superseded"));
    expect(current).toEqual([last]);
  }, 120_000);
});
