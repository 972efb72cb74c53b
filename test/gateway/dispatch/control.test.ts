import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { decodeFrame, encodeFrame } from "../../../protocol/frame.ts";
import type { Control, LogChunk } from "../../../protocol/messages.ts";
import { subjects } from "../../../protocol/subjects.ts";
import { createWorld, until } from "./world.ts";

describe("control", () => {
  it("rule 12: a cancel of what is leased is committed, then sent until it is answered", async () => {
    const lost = { left: 0, asked: 0 };
    const world = await createWorld({
      wrap: (wire) => ({
        ...wire,
        ask(...asked) {
          // What is said to whoever starts is not counted.
          if ((decodeFrame(asked[2]).header as Control).kind !== "cancel") return wire.ask(...asked);
          lost.asked++;
          if (lost.left-- <= 0) wire.ask(...asked);
        },
      }),
    });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const ids = await world.submit(3);
    await until(() => agent.held().length === 3, "the tasks have arrived");
    lost.left = 2;
    const effects = await world.store.cancel({ owner: null, ids });
    world.dispatcher.apply(effects);
    expect(await world.state(ids[0] as string)).toBe("cancelled");
    await until(() => agent.killed.length === 3, "the agent was told");
    expect(lost.asked).toBe(3);
    const asked = lost.asked;
    world.skip(3_000);
    await sleep(600);
    expect(lost.asked).toBe(asked);
    // Its late result changes nothing.
    const answer = await agent.report([{ id: ids[0] as string, lease: 1, outcome: "succeeded", length: 1 }]);
    expect(answer).toEqual({ ok: true, superseded: 1 });
    expect(await world.state(ids[0] as string)).toBe("cancelled");
  });

  it("rule 10: a start is answered after its commit, and one that does not match is refused", async () => {
    const world = await createWorld();
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const [mine, cancelled] = (await world.submit(2, { spec: { delivery: "at-most-once" } })) as [string, string];
    await until(() => agent.held().length === 2, "the tasks have arrived");
    await world.store.cancel({ owner: null, ids: [cancelled] });
    const starts = [mine, cancelled].map((id) => ({ id, lease: 1, worker: "w1", block: "b1" }));
    expect(await agent.report([], { starts })).toEqual({ ok: true, superseded: 0, refusedStarts: [1] });
    expect(await world.state(mine)).toBe("running");
  });

  it("drain is told to the agent and resolves with its answer, or at once when it is offline", async () => {
    const world = await createWorld();
    await world.dispatcher.drain(world.endpoint, true);
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    await world.dispatcher.drain(world.endpoint, true);
    expect(agent.controls).toContainEqual({ kind: "drain", drain: true, epoch: 1 });
  });

  it("an agent that starts while its endpoint drains is told", async () => {
    const world = await createWorld();
    await world.store.setDraining(world.endpoint, true);
    const agent = await world.agent();
    await until(() => agent.controls.some(({ kind }) => kind === "drain"), "the agent knows");
  });

  it("rule 16: output is subscribed to only while somebody watches", async () => {
    let subscriptions = 0;
    const world = await createWorld({
      wrap: (wire) => ({
        ...wire,
        logs(...watched) {
          subscriptions++;
          const unsubscribe = wire.logs(...watched);
          return () => {
            subscriptions--;
            unsubscribe();
          };
        },
      }),
    });
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const [task] = (await world.submit(1)) as [string];
    await until(() => agent.held().length === 1, "the task has arrived");
    const site = await world.connect();
    const say = async (text: string) => {
      const chunk: LogChunk = { task, lease: 1, stream: "stdout", offset: 0 };
      site.publish(subjects.log(world.endpoint, task), encodeFrame(chunk, [Buffer.from(text)]));
      await site.flush();
    };
    const heard: string[] = [];
    const watch = (stop: AbortController) =>
      world.dispatcher.watchLog(world.endpoint, task, {
        signal: stop.signal,
        onChunk: (_, bytes) => heard.push(Buffer.from(bytes).toString()),
      });
    const watches = () =>
      agent.controls.filter(({ kind }) => kind === "watch").map((control) => "watch" in control && control.watch);

    await say("nobody listens");
    const [first, second] = [new AbortController(), new AbortController()];
    watch(first);
    watch(second);
    await until(() => watches().length === 1, "the agent streams");
    await say("both");
    await until(() => heard.length === 2, "both heard it");
    first.abort();
    expect(subscriptions).toBe(1);
    await say("one");
    await until(() => heard.length === 3, "one heard it");
    second.abort();
    await until(() => watches().length === 2, "the agent stops");
    expect(subscriptions).toBe(0);
    await say("nobody again");
    await sleep(50);
    expect(heard).toEqual(["both", "both", "one"]);
    expect(watches()).toEqual([true, false]);
    await site.close();
  });
});
