import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Farcall, type Kwargs, kwargs, TaskError } from "../../sdk/index.ts";
import { startStack, type TestStack } from "../support/stack.ts";

describe("one machine, end to end", () => {
  let stack: TestStack;
  let farcall: Farcall;
  beforeAll(async () => {
    stack = await startStack();
    farcall = new Farcall({ url: stack.url, token: stack.token });
  });
  afterAll(async () => {
    await farcall?.close();
    await stack?.stop();
  });

  it("calls a TypeScript function and gives its value back", async () => {
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(await square.with({ endpoint: "laptop", timeoutMs: 5_000, retries: 2, priority: 5 })(5)).toBe(25);
  });

  it("calls a Python function", async () => {
    const mean = farcall.python("def mean(xs):\n    return sum(xs) / len(xs)");
    expect(await mean([1, 2, 3, 6])).toBe(3);
  });

  it("passes a Python function its keyword arguments, in a call and in a map", async () => {
    const source = "def scale(x, *, base=2, note=None):\n    return [x * base, note]";
    const scale =
      farcall.python<(x: unknown, named?: Kwargs<{ x?: number; base?: number; note?: unknown }>) => unknown>(source);
    expect(await scale(3)).toEqual([6, null]);
    expect(await scale(3, kwargs({ base: 10, note: undefined }))).toEqual([30, null]);
    expect(await scale(3, kwargs({ note: new Date(0) }))).toEqual([6, new Date(0)]);
    const results = scale.map([4, kwargs({ x: 5, base: 10 })], { ordered: true });
    const values: unknown[] = [];
    for await (const { value } of results) values.push(value);
    expect(values).toEqual([
      [8, null],
      [50, null],
    ]);
    await expect(scale(3, kwargs({ bass: 1 }) as Kwargs<object>)).rejects.toThrow(/unexpected keyword argument 'bass'/);
  });

  it("says what to do instead when a JavaScript function or a command gets keyword arguments", async () => {
    const echo = farcall.function((value: unknown) => value, { name: "echo" });
    await expect(echo(kwargs({ a: 1 }))).rejects.toThrow(/are for Python functions.*pass an object as an argument/);
    await echo.register();
    const registered = farcall.registered("echo");
    await expect(registered(kwargs({ a: 1 }))).rejects.toThrow(/are for Python functions; pass this JavaScript/);
    const shell = farcall.command("echo {a}", { name: "shout" });
    await expect(shell(kwargs({ a: 1 }) as never)).rejects.toThrow(/pass the template's fields as one object/);
    await shell.register();
    await expect(farcall.registered("shout")(kwargs({ a: 1 }))).rejects.toThrow(/pass a command its fields/);
    const mean = farcall.python<(...args: unknown[]) => unknown>("def mean(x): return x");
    await expect(mean(kwargs({ x: 1 }), 2)).rejects.toThrow(/keyword arguments come last/);
  });

  it("runs a shell command with its output and exit code", async () => {
    const count = farcall.command("printf %s {text} | wc -c");
    expect(await count({ text: "it's; $(echo) fine" })).toMatchObject({ stdout: "18\n", stderr: "", exitCode: 0 });
  });

  it("carries what JSON cannot, there and back", async () => {
    const echo = farcall.function((value: unknown) => value, { name: "echo" });
    const value = {
      date: new Date(86_400_000),
      big: 2n ** 80n,
      bytes: new Uint8Array([1, 2, 255]),
      floats: new Float64Array([0.5, Number.NaN, -0]),
      nan: Number.NaN,
      zero: -0,
      set: new Set([1, "a"]),
    };
    expect(await echo(value)).toEqual(value);
    expect(await echo(undefined)).toBeUndefined();
    expect(await echo("é \u{1F600}")).toBe("é \u{1F600}");
  });

  it("streams the results of a map, in order when asked", async () => {
    const double = farcall.function((x: number) => 2 * x, { name: "double" });
    const values: number[] = [];
    for await (const r of double.map(
      Array.from({ length: 5_000 }, (_, i) => i),
      { inFlight: 1_000, ordered: true },
    )) {
      if (r.error) throw r.error;
      values.push(r.value as number);
    }
    expect(values).toEqual(Array.from({ length: 5_000 }, (_, i) => 2 * i));
  });

  it("throws the remote exception with its type, message, stack and attempts", async () => {
    const fail = farcall.function(
      (text: string) => {
        throw new RangeError(text);
      },
      { name: "fail" },
    );
    const error = await fail("out of range").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TaskError);
    const { code, message, remoteType, remoteStack, attempts } = error as TaskError;
    expect({ code, remoteType }).toEqual({ code: "USER_ERROR", remoteType: "RangeError" });
    expect(message).toContain("out of range");
    expect(remoteStack).toContain("RangeError");
    expect(attempts).toHaveLength(1);
  });

  it("repeats a failing call as often as the caller asks, and no more", async () => {
    const fail = farcall.python("def fail():\n    raise ValueError('always')");
    const error = (await fail
      .with({ retries: 2, retryDelayMs: 10 })()
      .catch((e: unknown) => e)) as TaskError;
    expect(error.remoteType).toBe("ValueError");
    expect(error.attempts).toHaveLength(3);
  });

  it("moves payloads above the inline limit without the caller noticing", async () => {
    const reverse = farcall.function((bytes: Uint8Array) => bytes.slice().reverse(), { name: "reverse" });
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
    expect(Buffer.from((await reverse(bytes)) as Uint8Array).equals(Buffer.from(bytes.slice().reverse()))).toBe(true);
  });

  it("cancels a running call", async () => {
    const wait = farcall.function((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)), { name: "wait" });
    const task = wait.submit(60_000);
    await expect.poll(async () => (await farcall.tasks.get(task.id)).state, { timeout: 10_000 }).toBe("running");
    await task.cancel();
    await expect(Promise.resolve(task)).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("kills a call at its timeout and goes on", async () => {
    const spin = farcall.function(
      () => {
        for (;;);
      },
      { name: "spin" },
    );
    await expect(Promise.resolve(spin.with({ timeoutMs: 300 })())).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(await farcall.function((x: number) => x, { name: "same" })(1)).toBe(1);
  });

  it("lists what failed", async () => {
    const failed = [];
    for await (const task of farcall.tasks.list({ state: "failed", since: "1h" })) failed.push(task);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every((task) => task.state === "failed")).toBe(true);
  });
});
