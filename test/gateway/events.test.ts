/** The event stream over HTTP. */
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEventStreams } from "../../gateway/events/streams.ts";
import type { EventMessage } from "../../protocol/events.ts";
import { newId } from "../../protocol/ids.ts";
import { readEvents, until } from "./support/events.ts";
import { createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";
import { openSite, type Site } from "./support/site.ts";

let gateway: TestGateway;
let fn: string;
let site: Site;
beforeAll(async () => {
  gateway = await startTestGateway({ config: { limits: { eventBufferBytes: 256 * 1024 } } });
  fn = await registerFunction(gateway);
  site = await openSite(gateway, (await createEndpoint(gateway, "lap")).id);
});
afterAll(() => gateway[Symbol.asyncDispose]());

async function submit(count: number, group = "g"): Promise<string[]> {
  const body = {
    specs: [{ function: fn, group }],
    tasks: Array.from({ length: count }, () => ({ id: newId(), args: [] })),
  };
  await gateway.json("POST", "/v1/tasks", { body });
  return body.tasks.map(({ id }) => id);
}

const ended = (tasks: { id: string; state: string }[]) =>
  tasks.filter(({ state }) => state === "succeeded").map(({ id }) => id);

describe("the event stream", () => {
  it("says hello first, then each end in its group with the result's bytes", async () => {
    const events = await readEvents(gateway, { query: "?group=red" });
    await until("hello", () => events.messages.length > 0);
    expect(events.messages[0]).toEqual({ kind: "hello", id: expect.stringMatching(/^[0-9a-f]+\.\d+$/) });
    const red = await submit(3, "red");
    await submit(2, "blue");
    await site.finishAll({ answer: 42 });
    await until("three ends", () => ended(events.tasks).length === 3);
    expect(ended(events.tasks)).toEqual(red);
    for (const task of events.tasks.filter(({ state }) => state === "succeeded")) {
      expect(task).toMatchObject({ encoding: "json", text: '{"answer":42}' });
    }
    events.close();
  });

  it("is Server-Sent Events for everybody else, with the value as JSON", async () => {
    const group = newId();
    const answer = await gateway.request("GET", `/v1/events?group=${group}`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    let text = "";
    const [id] = await submit(1, group);
    await site.finishAll(["a\nb", 1]);
    while (!text.includes("succeeded")) text += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    expect(text).toMatch(/^id: \S+\nevent: hello\ndata: \{.*\}\n\n/);
    const line = text.split("\n").find((each) => each.includes('"succeeded"')) as string;
    const message = JSON.parse(line.slice("data: ".length)) as EventMessage & { tasks: { value: unknown }[] };
    expect(message.tasks[0]).toMatchObject({ id, state: "succeeded", value: ["a\nb", 1] });
    expect(text).toContain(`id: ${message.id}\nevent: tasks\n`);
  });

  it("leaves results out when it is asked to, and says so", async () => {
    const group = newId();
    const events = await readEvents(gateway, { query: `?group=${group}&results=false` });
    await submit(1, group);
    await site.finishAll("x");
    await until("the end", () => ended(events.tasks).length === 1);
    expect(events.tasks.at(-1)).toMatchObject({ encoding: "json", size: 3, omitted: true });
    events.close();
  });

  it("gives an owner nothing of another's", async () => {
    const token = await gateway.tokenFor(["read"], "stranger");
    const events = await readEvents(gateway, { token });
    const mine = await readEvents(gateway);
    await submit(2, "private");
    await site.finishAll(1);
    await until("own ends", () => ended(mine.tasks).length === 2);
    expect(events.tasks).toEqual([]);
    events.close();
    mine.close();
  });
});

describe("a stream that resumes", () => {
  it("rule 15: gets what it missed and what comes, without a gap or a duplicate, however often it is cut", async () => {
    const group = newId();
    const expected: string[] = [];
    const seen: string[] = [];
    let working = true;
    const work = (async () => {
      for (let round = 0; round < 40; round++) {
        expected.push(...(await submit(1 + (round % 7), group)));
        await site.finishAll(round);
      }
      working = false;
    })();
    let after: string | undefined;
    let cuts = 0;
    while (working || seen.length < expected.length) {
      const events = await readEvents(gateway, { query: `?group=${group}`, ...(after === undefined ? {} : { after }) });
      const enough = 1 + (cuts++ % 3);
      await until("messages", () => events.messages.length >= enough || !working);
      if (!working) await until("all", () => seen.length + ended(events.tasks).length >= expected.length);
      events.close();
      await events.over;
      seen.push(...ended(events.tasks));
      after = events.last() ?? after;
      expect(events.messages.some(({ kind }) => kind === "reset")).toBe(false);
    }
    await work;
    expect(seen).toEqual(expected);
    expect(cuts).toBeGreaterThan(2);
  });

  it("rule 15: is told to start anew when its id is of another generation, or ahead of the database", async () => {
    const [generation, sequence] = (await currentId()).split(".") as [string, string];
    for (const after of [`${generation}x.${sequence}`, `${generation}.${Number(sequence) + 1}`, "nonsense", "."]) {
      const events = await readEvents(gateway, { after });
      await until("reset", () => events.messages.length >= 2);
      expect(events.messages.slice(0, 2)).toEqual([
        { kind: "hello", id: `${generation}.${sequence}` },
        { kind: "reset", id: `${generation}.${sequence}` },
      ]);
      events.close();
    }
  });

  it("rule 15: is told to start anew when what it missed was deleted", async () => {
    await using short = await startTestGateway({ config: { limits: { retentionMs: 1 } } });
    const own = await registerFunction(short);
    const place = await openSite(short, (await createEndpoint(short, "lap")).id);
    await short.json("POST", "/v1/tasks", { body: { specs: [{ function: own }], tasks: [{}] } });
    await place.finishAll(1);
    const { generation } = short.store;
    await until("the events are deleted", async () => {
      await short.store.retain(1000);
      return (await short.store.eventsAfter({ owner: null, groups: null }, 0, 1)).oldest > 1;
    });
    const events = await readEvents(short, { after: `${generation}.0` });
    await until("reset", () => events.messages.length >= 2);
    expect(events.messages[1]).toMatchObject({ kind: "reset" });
    events.close();
  });
});

describe("a stream whose reader is slow", () => {
  it("N6: costs the gateway a bounded buffer, is caught up from the table, and misses nothing", async () => {
    const group = newId();
    const value = "x".repeat(100_000);
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await readEvents(gateway, { query: `?group=${group}`, onMessage: () => gate });
    const fast = await readEvents(gateway, { query: `?group=${group}` });
    await until("both are connected", () => slow.messages.length > 0 && fast.messages.length > 0);
    const expected: string[] = [];
    for (let round = 0; round < 30; round++) {
      expected.push(...(await submit(10, group)));
      await site.finishAll(value);
    }
    await until("the fast one has all", () => ended(fast.tasks).length === expected.length);
    expect(ended(slow.tasks)).toEqual([]);
    release();
    await until("the slow one has all", () => ended(slow.tasks).length === expected.length, 20_000);
    expect(ended(slow.tasks)).toEqual(expected);
    for (const task of slow.tasks) if (task.state === "succeeded") expect(task.text).toBe(JSON.stringify(value));
    slow.close();
    fast.close();
  });
});

describe("a stream whose reader has stopped", () => {
  it("N6: is cut off, lets go of its buffer, and is resumed by its id", async () => {
    const { hub, store } = gateway;
    const log = pino({ level: "silent" });
    const streams = createEventStreams({ hub, store, log, maxBufferedBytes: 64 * 1024, slowMs: 100 });
    const group = newId();
    const filter = { owner: "admin", groups: [group] };
    const cut: string[] = [];
    const signal = new AbortController().signal;
    const breakConnection = () => cut.push("cut");
    const stream = streams.open({ filter, form: "frames", after: undefined, signal, breakConnection });
    const before = `${store.generation}.${hub.position()}`;
    for (let round = 0; round < 5; round++) {
      await submit(10, group);
      await site.finishAll("x".repeat(10_000));
    }
    await until("it is cut off", () => stream.closed.aborted);
    expect([cut, streams.count()]).toEqual([["cut"], 0]);
    const again = await readEvents(gateway, { query: `?group=${group}`, after: before });
    await until("all after all", () => ended(again.tasks).length === 50);
    again.close();
  });
});

async function currentId(): Promise<string> {
  const events = await readEvents(gateway);
  await until("hello", () => events.messages.length > 0);
  events.close();
  return events.last();
}
