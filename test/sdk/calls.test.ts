import { describe, expect, it } from "vitest";
import { TaskError } from "../../sdk/index.ts";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();

describe("a call", () => {
  it("gives the function's result", async () => {
    const { gateway, farcall } = pair;
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(await square(13)).toBe(169);
    expect(gateway.requestsTo(/POST \/v1\/functions/)).toHaveLength(1);
  });

  it("throws the remote exception as TaskError", async () => {
    const { farcall } = pair;
    const fail = farcall.function((x: number): number => {
      throw new RangeError(`no ${x}`);
    });
    const error = await fail(1).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toMatchObject({ code: "USER_ERROR", remoteType: "RangeError", message: "no 1", endpoint: "small" });
    expect((error as TaskError).stack).toContain("RangeError: no 1");
  });

  it("of the same function made again, in a loop perhaps, registers it once", async () => {
    const { gateway, farcall } = pair;
    const calls = Array.from({ length: 20 }, (_, i) => farcall.function((x: number) => x + 1)(i));
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(gateway.requestsTo(/POST \/v1\/functions/)).toHaveLength(1);
  });

  it("can be one of many functions that are registered side by side", async () => {
    const { gateway, farcall } = pair;
    const inc = farcall.function((x: number) => x + 1);
    const dec = farcall.function((x: number) => x - 1);
    const neg = farcall.function((x: number) => -x);
    const values = await Promise.all([inc(1), dec(1), neg(1), inc(2), dec(2), neg(2)]);
    expect(values).toEqual([2, 0, -1, 3, 1, -2]);
    expect(gateway.functions.size).toBe(3);
  });

  it("carries what JSON cannot, and bytes as they are", async () => {
    const { gateway, farcall } = pair;
    const echo = farcall.function(<T>(value: T) => value);
    const value = {
      date: new Date(0),
      big: 2n ** 80n,
      nan: Number.NaN,
      floats: Float64Array.of(1.5, 2),
      map: new Map([[1, "a"]]),
    };
    expect(await echo(value)).toEqual(value);
    const bytes = await echo(Uint8Array.of(1, 2, 3));
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect((bytes as Uint8Array).constructor).toBe(Uint8Array);
    expect([...gateway.tasks.values()].map(({ encoding }) => encoding)).toEqual(["cbor", "raw"]);
  });

  it("above the inline limit goes by way of the blob store, and so does its result", async () => {
    const { gateway, farcall } = pair;
    const reverse = farcall.function((bytes: Uint8Array) => bytes.slice().reverse());
    const runModule = (await import("./support/run-module.ts")).runModule;
    gateway.run = async (task) => {
      const fn = gateway.functions.get(task.spec.function) as { code: Uint8Array; entry: string };
      return { ...(await runModule(fn, task)), blob: true };
    };
    const bytes = new Uint8Array(1_000_000).map((_, i) => i % 251);
    expect(Buffer.from(await reverse(bytes)).equals(Buffer.from(bytes).reverse())).toBe(true);
    expect([...gateway.blobs.values()].map(({ length }) => length)).toEqual([1_000_000]);
    expect([...gateway.tasks.values()][0]?.args.length).toBe(1_000_000);
  });

  it("rejects when an argument cannot be sent, and nothing is submitted", async () => {
    const { gateway, farcall } = pair;
    const echo = farcall.function((value: unknown) => value);
    await expect(echo(() => 1)).rejects.toMatchObject({ code: "NOT_SERIALISABLE" });
    expect(() => echo.submit(Symbol("x"))).toThrow(expect.objectContaining({ code: "NOT_SERIALISABLE" }));
    expect(gateway.tasks.size).toBe(0);
  });

  it("asks for what `with` says, added to what was said before", async () => {
    const { gateway, farcall } = pair;
    const base = farcall.function((x: number) => x, { name: "base", retries: 2, resources: { cores: 2 } });
    await base.with({ endpoint: "laptop", resources: { memoryMb: 100 }, env: { A: "1" } }).with({ env: { B: "2" } })(1);
    expect([...gateway.tasks.values()][0]?.spec).toMatchObject({
      retries: 2,
      endpoint: "laptop",
      resources: { cores: 2, memoryMb: 100, gpus: 0 },
      env: { A: "1", B: "2" },
      group: expect.stringMatching(/^_[0-9a-f-]{36}$/),
    });
  });

  it("goes out with all others of its tick in one batch", async () => {
    const { gateway, farcall } = pair;
    const double = farcall.function((x: number) => 2 * x, { name: "double" });
    const values = await Promise.all(Array.from({ length: 2500 }, (_, i) => double(i)));
    expect(values).toEqual(Array.from({ length: 2500 }, (_, i) => 2 * i));
    expect(gateway.requestsTo(/POST \/v1\/tasks/).map(({ tasks }) => tasks)).toEqual([1000, 1000, 500]);
  });
});
