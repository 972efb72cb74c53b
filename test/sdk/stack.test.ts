/** The SDK against a whole Farcall: what a client must survive, and that each call runs as often as promised. */
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall, TaskError } from "../../sdk/index.ts";
import { startStack, type TestStack } from "../support/stack.ts";
import { startReplyLoser } from "./support/reply-loser.ts";

let stack: TestStack;
let farcall: Farcall;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "farcall-sdk-stack-"));
  stack = await startStack();
  farcall = new Farcall({ url: stack.url, token: stack.token });
});
afterAll(async () => {
  await farcall?.close({ submitForMs: 1_000 });
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** A function that leaves a line in a file each time it runs: the evidence outside the system. */
const note = async (file: string, line: string) => {
  const { appendFile } = await import("node:fs/promises");
  await appendFile(file, `${line}\n`);
  return line;
};

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).trim().split("\n");
}

describe("a client of a whole Farcall", () => {
  it("N9: whose replies are lost repeats its submits with the same ids, and each call runs once", async () => {
    const loser = await startReplyLoser(stack.url);
    let number = 0;
    loser.lose = (route) => route.startsWith("POST /v1/tasks") && number++ % 2 === 0;
    const client = new Farcall({ url: loser.url, token: stack.token });
    const remote = client.function(note, { name: "note" });
    const file = join(dir, "n9");
    for (let round = 0; round < 5; round++) {
      const names = Array.from({ length: 20 }, (_, i) => `${round}-${i}`);
      expect(await Promise.all(names.map((name) => remote(file, name)))).toEqual(names);
    }
    await client.close();
    expect(loser.lost.length).toBeGreaterThanOrEqual(5);
    const lines = await linesOf(file);
    expect(lines.length).toBe(100);
    expect(new Set(lines).size).toBe(100);
    await loser.close();
  });

  it("G1: goes on over a gateway that is killed and started again, with every call ended once", async () => {
    const file = join(dir, "g1");
    await appendFile(file, "");
    const remote = farcall.function(note, { name: "note" });
    const names = Array.from({ length: 600 }, (_, i) => String(i));
    const results = Promise.all(names.map((name) => remote(file, name)));
    await expect.poll(async () => (await linesOf(file)).length).toBeGreaterThan(20);
    await stack.kill("gateway");
    await stack.restart("gateway");
    expect(await results).toEqual(names);
    const lines = await linesOf(file);
    expect(new Set(lines).size).toBe(600);
    expect(lines.length).toBe(600);
  });

  it("G3: that goes away leaves its tasks to end, and finds them by their group", async () => {
    const first = new Farcall({ url: stack.url, token: stack.token });
    const remote = first.function((x: number) => new Promise<number>((resolve) => setTimeout(resolve, 20, x * x)));
    const group = first.group("g3");
    const ids = Array.from({ length: 30 }, (_, i) => group.submit(remote, i).id);
    await first.close();
    const found = new Map<string, unknown>();
    for await (const { taskId, value } of farcall.group("g3").results()) found.set(taskId, value);
    expect(found).toEqual(new Map(ids.map((id, i) => [id, i * i])));
    expect(await farcall.group("g3").wait()).toMatchObject({ succeeded: 30 });
  });

  it("runs a module's functions with the packages it imports", async () => {
    const statistics = await farcall.module<typeof import("./modules/statistics.ts")>("./modules/statistics.ts");
    expect(await statistics.summary([2, 4])).toEqual({ mean: 3, count: 2 });
    expect(await statistics.fromYaml("- 1\n- b")).toEqual([1, "b"]);
  });

  it("runs CommonJS in a bundle", async () => {
    const { here } = await farcall.module<typeof import("./modules/uses-common.ts")>("./modules/uses-common.ts");
    expect((await here())[0]).toBe("string");
  });

  it("throws COMMAND_FAILED for an exit code, and gives it when that is allowed", async () => {
    const fail = farcall.command("echo {text} >&2; exit 3");
    const error = await fail({ text: "it's gone" }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toMatchObject({ code: "COMMAND_FAILED", exitCode: 3, message: expect.stringContaining("it's gone") });
    expect(await fail.with({ allowFailure: true })({ text: "x" })).toMatchObject({ exitCode: 3, stderr: "x\n" });
  });

  it("cancels the running task of a call that it aborts", async () => {
    const controller = new AbortController();
    const started = join(dir, "started");
    const slow = farcall.function(async (file: string) => {
      const { writeFile } = await import("node:fs/promises");
      await writeFile(file, "");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
    const task = slow.with({ signal: controller.signal }).submit(started);
    await expect
      .poll(() =>
        readFile(started).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    controller.abort();
    await expect(Promise.resolve(task)).rejects.toMatchObject({ name: "AbortError" });
    await expect.poll(async () => (await farcall.tasks.get(task.id)).state).toBe("cancelled");
  });

  it("reads a task's output while it is written", async () => {
    const task = farcall
      .function(async () => {
        console.log("first");
        await new Promise((resolve) => setTimeout(resolve, 300));
        console.error("second");
      })
      .submit();
    let text = "";
    for await (const chunk of task.follow()) text += `${chunk.stream}: ${chunk.text}`;
    expect(text).toBe("stdout: first\nstderr: second\n");
    expect(await task.logs()).toMatchObject({ stdout: "first\n", stderr: "second\n", truncated: false });
  });

  it("retries a finished task as a new one that names it", async () => {
    const task = farcall.function((x: number) => x + 1, { name: "inc" }).submit(1);
    expect(await task).toBe(2);
    const { id } = await farcall.tasks.retry(task.id);
    expect(await farcall.tasks.result(id)).toBe(2);
    expect(await farcall.tasks.get(id)).toMatchObject({ retryOf: task.id, state: "succeeded" });
  });

  it("calls a function that is registered already by its name", async () => {
    await farcall.function((x: number) => x * 3, { name: "treble" }).register();
    const client = new Farcall({ url: stack.url, token: stack.token });
    expect(await client.registered<(x: number) => number>("treble")(5)).toBe(15);
    await expect(client.registered("no-such-function")()).rejects.toMatchObject({ code: "NOT_FOUND" });
    await client.close();
  });
});

it("map is held back by a full queue, and loses nothing", async () => {
  const small = await startStack({ gateway: { limits: { perOwner: { tasks: 150, bytes: 10_000_000 } } } });
  const client = new Farcall({ url: small.url, token: small.token });
  const inc = client.function((x: number) => x + 1, { name: "inc" });
  const items = Array.from({ length: 2_000 }, (_, i) => i);
  const seen: number[] = [];
  for await (const { value, error } of inc.map(items, { inFlight: 600, ordered: true })) {
    if (error) throw error;
    seen.push(value as number);
  }
  expect(seen).toEqual(items.map((i) => i + 1));
  await client.close();
  await small.stop();
});
