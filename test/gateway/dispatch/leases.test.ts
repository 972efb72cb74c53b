import { describe, expect, it } from "vitest";
import type { HeldLease } from "../../../protocol/messages.ts";
import { createWorld, until } from "./world.ts";

describe("leases", () => {
  it("rule 9: equal digests ask for nothing; a difference that stays asks for the list", async () => {
    const world = await createWorld();
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    await world.submit(3);
    await until(() => agent.held().length === 3, "the tasks have arrived");
    await until(async () => {
      const answer = await agent.beat(0);
      return answer?.ok === true && !answer.wantLeases;
    }, "the digests are equal");
    agent.lose(agent.held()[0]?.id as string);
    expect(await agent.beat(0)).toMatchObject({ ok: true, wantLeases: false });
    expect(await agent.beat(0)).toMatchObject({ ok: true, wantLeases: true });
  });

  it("rule 9: what the agent does not hold is queued again, what the database has ended is killed", async () => {
    const world = await createWorld();
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const ids = (await world.submit(3)) as [string, string, string];
    await until(() => agent.held().length === 3, "the tasks have arrived");
    const [kept, forgotten, finished] = ids;
    agent.lose(forgotten);
    // Ended without the agent's knowledge: its kill got lost.
    await world.store.cancel({ owner: null, ids: [finished] });
    world.skip(20_000);
    const list = agent.held().map(({ id, lease }): HeldLease => [id, lease]);
    expect(await agent.beat(0, list)).toMatchObject({ ok: true, kill: [[finished, 1]] });
    await until(() => agent.took.has(`${forgotten}#2`), "the forgotten one was handed out again");
    expect(agent.took.has(`${kept}#2`)).toBe(false);
    expect(agent.killed).toContainEqual([finished, 1]);
  });

  it("rule 9: leases younger than the digest's age, and those that may still arrive, are left alone", async () => {
    const silent = { on: false };
    const world = await createWorld({
      wrap: (wire) => ({
        ...wire,
        work: (endpoint, frame) => (silent.on ? true : wire.work(endpoint, frame)),
        ask: (...asked) => (silent.on ? undefined : wire.ask(...asked)),
      }),
    });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    silent.on = true;
    const [onTheWay] = await world.submit(1);
    world.skip(3_000);
    await agent.beat(10_000, []);
    expect(await world.state(onTheWay as string)).toBe("leased");
    world.skip(20_000);
    await agent.beat(10_000, []);
    expect(await world.state(onTheWay as string)).toBe("leased");
    expect((await world.store.getTask(onTheWay as string, null))?.handOuts).toBe(1);
    silent.on = false;
    await until(() => agent.took.has(`${onTheWay}#2`), "the denied batch was handed out again");
  });
});
