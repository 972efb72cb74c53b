import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { startNats, type TestNats } from "../../support/nats-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { createWorld, until, type World } from "./world.ts";

/** Submits while `disturb` runs, and checks that every task ended once and nobody held a hand-out twice. */
async function underLoad(world: World, disturb: () => Promise<void>, url = world.nats.url): Promise<void> {
  const agents = [await world.agent({ window: 200, url })];
  const ids: string[] = [];
  let on = true;
  const load = async () => {
    while (on) {
      ids.push(...(await world.submit(20)));
      await sleep(5);
    }
  };
  const loading = load();
  await until(() => world.ends.size > 100, "work goes on");
  await disturb();
  on = false;
  await loading;
  await until(
    async () => {
      for (const agent of agents) await agent.beat();
      return ids.every((id) => world.ends.has(id));
    },
    "every task has ended",
    60_000,
  );
  expect([...world.ends.values()].filter((ends) => ends.length !== 1)).toEqual([]);
  for (const agent of agents) expect([...agent.took.values()].filter((times) => times > 1)).toEqual([]);
  const states = await world.store.countTasks({ owner: null }, ids.length + 1);
  expect(states.succeeded).toBe(ids.length);
}

/** `times` faults, each followed by proof that work goes on. */
async function repeatedly(world: World, times: number, fault: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < times; round++) {
    await fault(round);
    const ended = world.ends.size;
    await until(() => world.ends.size > ended + 50, `work goes on after fault ${round + 1}`);
  }
}

const ROUNDS = Number(process.env.FARCALL_NATS_ROUNDS ?? 5);
const LONG = 60_000 + ROUNDS * 10_000;

describe("the nats-server is lost", () => {
  it(
    "N1: restarted under load, nothing is lost and nothing runs twice",
    async () => {
      const world = await createWorld();
      await underLoad(world, () => repeatedly(world, ROUNDS, () => world.nats.restart()));
    },
    LONG,
  );

  it(
    "N2: killed, wiped and moved to another port behind the same name under load, nothing is lost and nothing runs twice",
    async () => {
      const nats = await startNats();
      const proxy = await startTcpProxy(nats.port);
      onTestFinished(async () => {
        await proxy.stop();
        await nats.stop();
      });
      const url = `nats://127.0.0.1:${proxy.port}`;
      const world = await createWorld({ nats, natsUrl: url });
      await underLoad(world, () => repeatedly(world, ROUNDS, () => move(nats, (port) => proxy.target(port))), url);
    },
    LONG,
  );

  it("a gateway starts without its nats-server, takes tasks, and hands them out once it is there", async () => {
    const world = await createWorld();
    await world.nats.kill();
    await until(() => !world.dispatcher.connected(), "the gateway notices");
    const ids = await world.submit(10);
    expect(await world.state(ids[0] as string)).toBe("queued");
    await world.nats.restart();
    await world.agent();
    await until(() => ids.every((id) => world.ends.has(id)), "the tasks have ended");
  });
});

async function move(nats: TestNats, target: (port: number) => void): Promise<void> {
  await nats.kill();
  await nats.wipe();
  await nats.restart({ port: "other" });
  target(nats.port);
}
