import { describe, expect, it } from "vitest";
import type { GroupResult } from "../../sdk/index.ts";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();
const square = (x: number) => x * x;

async function collect(results: AsyncIterable<GroupResult>): Promise<Map<string, unknown>> {
  const seen = new Map<string, unknown>();
  for await (const { taskId, value, error } of results) {
    expect(seen.has(taskId)).toBe(false);
    seen.set(taskId, error ?? value);
  }
  return seen;
}

describe("a group", () => {
  it("gives every result of its tasks, and of no others", async () => {
    const { farcall } = pair;
    const run = farcall.group("run-7");
    const remote = farcall.function(square);
    const tasks = [1, 2, 3].map((x) => run.submit(remote, x));
    await remote(100);
    const results = await collect(run.results());
    expect(results).toEqual(new Map(tasks.map(({ id }, i) => [id, (i + 1) ** 2])));
    expect(await Promise.all(tasks)).toEqual([1, 4, 9]);
  });

  it("is found again by another client, with what ended meanwhile and what ends later", async () => {
    const { gateway } = pair;
    const release: (() => void)[] = [];
    gateway.run = (task) =>
      new Promise((resolve) => {
        const value = JSON.parse(new TextDecoder().decode(task.args))[0] as number;
        const end = () => resolve({ encoding: "json", bytes: Buffer.from(String(value)) });
        if (value < 50) end();
        else release.push(end);
      });
    const first = pair.client();
    const remote = first.group("run-8").function(square);
    const ids = Array.from({ length: 60 }, (_, i) => remote.submit(i).id);
    await first.close();
    const again = pair.client().group("run-8").results();
    const seen: string[] = [];
    for await (const { taskId, value } of again) {
      expect(value).toBe(ids.indexOf(taskId));
      seen.push(taskId);
      if (seen.length === 50) for (const end of release) end();
    }
    expect(seen.sort()).toEqual([...ids].sort());
  });

  it("is listed when its first events are not kept any more", async () => {
    const { gateway, farcall } = pair;
    const run = farcall.group("old");
    const remote = run.function((x: number) => {
      if (x === 2) throw new TypeError("two");
      return x;
    });
    await Promise.allSettled([0, 1, 2, 3].map((x) => remote(x)));
    gateway.log.expire();
    const results = await collect(run.results());
    expect([...results.values()].map(String).sort()).toEqual(["0", "1", "3", "TaskError: two"]);
  });

  it("goes on after its stream breaks, in the middle of reading", async () => {
    const { gateway, farcall } = pair;
    const remote = farcall.group("broken").function(square);
    await Promise.all(Array.from({ length: 20 }, (_, i) => remote(i)));
    let read = 0;
    for await (const _ of farcall.group("broken").results()) if (++read === 7) gateway.log.cut();
    expect(read).toBe(20);
  });

  it("with more tasks than are counted ends when its events are read up to now", async () => {
    const { gateway, farcall } = pair;
    gateway.countCap = 5;
    const beats = setInterval(() => gateway.log.beat(), 20);
    const remote = farcall.group("large").function(square);
    await Promise.all(Array.from({ length: 20 }, (_, i) => remote(i)));
    const results = await collect(farcall.group("large").results());
    clearInterval(beats);
    expect(results.size).toBe(20);
  });

  it("can be one of more than a stream may name", async () => {
    const { gateway, farcall } = pair;
    const remote = farcall.function(square);
    const tasks = Array.from({ length: 150 }, (_, i) => farcall.group(`many-${i}`).submit(remote, i));
    expect(await Promise.all(tasks)).toEqual(tasks.map((_, i) => i * i));
    expect(gateway.requestsTo(/GET \/v1\/events/).every(({ groups }) => (groups ?? 0) <= 100)).toBe(true);
  });

  it("without tasks has no results and nothing to wait for", async () => {
    const run = pair.farcall.group("empty");
    expect((await collect(run.results())).size).toBe(0);
    expect(await run.wait()).toEqual({});
  });

  it("is waited for until its last task has ended", async () => {
    const { gateway, farcall } = pair;
    const run = farcall.group("slow");
    const ends: (() => void)[] = [];
    gateway.run = () =>
      new Promise((resolve) => ends.push(() => resolve({ encoding: "json", bytes: Buffer.from("1") })));
    const remote = farcall.function(square);
    const tasks = [1, 2].map((x) => run.submit(remote, x));
    const order: string[] = [];
    const waited = run.wait().then((counts) => {
      order.push("waited");
      return counts;
    });
    await expect.poll(() => ends.length).toBe(2);
    ends[0]?.();
    await tasks[0];
    order.push("first");
    ends[1]?.();
    expect(await waited).toEqual({ succeeded: 2 });
    expect(order).toEqual(["first", "waited"]);
  });

  it("is cancelled as one", async () => {
    const { gateway, farcall } = pair;
    gateway.run = () => new Promise(() => {});
    const run = farcall.group("doomed");
    const tasks = [1, 2, 3].map((x) => run.submit(farcall.function(square), x));
    await Promise.all(tasks.map((task) => task.accepted));
    expect(await run.cancel()).toMatchObject({ cancelled: 3 });
    const results = await Promise.allSettled(tasks);
    expect(results.every((result) => result.status === "rejected" && result.reason.code === "CANCELLED")).toBe(true);
  });

  it("whose reading is aborted throws the signal's reason", async () => {
    const { gateway, farcall } = pair;
    gateway.run = () => new Promise(() => {});
    const run = farcall.group("aborted");
    await run.submit(farcall.function(square), 1).accepted;
    const controller = new AbortController();
    const reading = collect(run.results({ signal: controller.signal }));
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
  });

  it("needs a name that is not a client's own", () => {
    expect(() => pair.farcall.group("_mine")).toThrow(/do not begin with _/);
    expect(() => pair.farcall.group("")).toThrow(/1 to 128 characters/);
  });
});
