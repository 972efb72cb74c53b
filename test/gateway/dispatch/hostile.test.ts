import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../protocol/frame.ts";
import { newId } from "../../../protocol/ids.ts";
import type { ResultsAnswer } from "../../../protocol/messages.ts";
import { subjects } from "../../../protocol/subjects.ts";
import { ask } from "../../support/agent-connection.ts";
import { succeed } from "../../support/test-agent.ts";
import { createWorld, until } from "./world.ts";

describe("hostile messages", () => {
  it("G9: results that are malformed, unknown, forged or doubled change nothing and block nothing", async () => {
    const world = await createWorld();
    const agent = await world.agent({ run: () => undefined });
    await until(() => agent.beats > 0, "the pull is open");
    const other = await world.addEndpoint();
    const [mine] = (await world.submit(1)) as [string];
    await until(() => agent.held().length === 1, "the task has arrived");
    const connection = await world.connect(other);
    const say = (header: unknown, body: Uint8Array[] = []) =>
      connection
        .request(subjects.results(other), encodeFrame(header, body), { timeout: 5_000 })
        .then(({ data }) => JSON.parse(Buffer.from(data.subarray(8)).toString()) as ResultsAnswer);
    const one = [new Uint8Array(1)];
    // Another endpoint's task, a task that does not exist, a lease of tomorrow.
    for (const entry of [succeed({ id: mine, lease: 1 }), succeed({ id: newId(), lease: 1 })]) {
      expect(await say({ epoch: 1, message: 1, results: [entry], starts: [] }, one)).toEqual({
        ok: true,
        superseded: 1,
      });
    }
    expect(await agent.report([succeed({ id: mine, lease: 2 })])).toEqual({ ok: true, superseded: 1 });
    const good = succeed({ id: mine, lease: 1 });
    const bad: [unknown, Uint8Array[]][] = [
      [null, []],
      [{}, []],
      [{ epoch: 1, message: 1, results: "all", starts: [] }, []],
      [{ epoch: 1, message: 1, results: [null], starts: [] }, []],
      [{ epoch: 1, message: 1, results: [{ ...good, id: "../../etc" }], starts: [] }, one],
      [{ epoch: 1, message: 1, results: [{ ...good, length: 2 }], starts: [] }, one],
      [{ epoch: 1, message: 1, results: [{ ...good, length: -1 }], starts: [] }, one],
      [{ epoch: 1, message: 1, results: [{ ...good, outcome: "cancelled" }], starts: [] }, one],
      [{ epoch: 1, message: 1, results: [{ ...good, failure: { code: "NO_SUCH" } }], starts: [] }, one],
      [{ epoch: 1, message: 1, results: [], starts: [{ id: mine, lease: "1" }] }, []],
    ];
    for (const [header, body] of bad) expect(await say(header, body)).toMatchObject({ ok: false });
    expect(world.dispatcher.counts().refused).toBe(bad.length);
    expect(await world.state(mine)).toBe("leased");
    // The real one counts, once.
    expect(await agent.report([good])).toEqual({ ok: true, superseded: 0 });
    expect(await agent.report([good])).toEqual({ ok: true, superseded: 1 });
    expect(world.ends.get(mine)).toEqual(["succeeded"]);
    await connection.close();
  });

  it("G9: arbitrary bytes on every subject of an agent do not stop the gateway", async () => {
    const world = await createWorld();
    const agent = await world.agent();
    await until(() => agent.beats > 0, "the pull is open");
    const connection = await world.connect();
    const { hello, pull, credit, results, state, log, reply } = subjects;
    const all = [hello, pull, credit, results, state].map((subject) => subject(world.endpoint));
    all.push(log(world.endpoint, newId()), reply(world.endpoint, "1"), reply(world.endpoint, "x-1"));
    const header = fc.oneof(
      fc.jsonValue(),
      fc.record({
        epoch: fc.jsonValue(),
        pull: fc.jsonValue(),
        limits: fc.jsonValue(),
        received: fc.jsonValue(),
        results: fc.jsonValue(),
      }),
    );
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.tuple(header, fc.uint8Array({ maxLength: 16 })).map(([value, body]) => encodeFrame(value, [body])),
    );
    for (const [subject, bytes, inbox] of fc.sample(
      fc.tuple(fc.constantFrom(...all), payload, fc.constantFrom(`_INBOX_${world.endpoint}.x`, "_INBOX_other.x", "")),
      2_000,
    )) {
      connection.publish(subject, bytes, inbox ? { reply: inbox } : {});
    }
    await connection.flush();
    const ids = await world.submit(5);
    await until(() => ids.every((id) => world.ends.has(id)), "work goes on");
    await connection.close();
  });

  it("G9: with a reply subject elsewhere, the gateway does not answer and does not act", async () => {
    const world = await createWorld();
    const victim = await world.addEndpoint();
    const attacker = await world.connect();
    const watching = await world.connect(victim);
    const heard: string[] = [];
    watching.subscribe(`_INBOX_${victim}.>`, { callback: (_, { subject }) => void heard.push(subject) });
    watching.subscribe(subjects.control(victim), { callback: (_, { subject }) => void heard.push(subject) });
    await watching.flush();
    const targets = [`_INBOX_${victim}.work`, subjects.control(victim), subjects.results(victim), "_INBOX_.x"];
    const frame = encodeFrame({
      version: "0",
      host: "h",
      bootId: "b",
      pid: 1,
      nonce: "n",
      takeOver: false,
      orphanTimeoutMs: 1,
    });
    for (const reply of targets) {
      for (const subject of [subjects.hello, subjects.results, subjects.state]) {
        attacker.publish(subject(world.endpoint), frame, { reply });
      }
    }
    await attacker.flush();
    // The same connection, so what came before was handled before.
    const answer = await ask(attacker, subjects.results(world.endpoint), { epoch: 1, results: [], starts: [] });
    expect(answer).toEqual({ ok: true, superseded: 0 });
    await watching.flush();
    expect(heard).toEqual([]);
    expect(await world.store.epochOf(world.endpoint)).toBe(0);
    await attacker.close();
    await watching.close();
  });
});
