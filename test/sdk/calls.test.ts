import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Farcall, TaskError } from "../../sdk/index.ts";
import { type SmallGateway, startSmallGateway } from "./support/small-gateway.ts";

let gateway: SmallGateway;
let farcall: Farcall;

beforeEach(async () => {
  gateway = await startSmallGateway();
  farcall = new Farcall({ url: gateway.url, token: "secret" });
});
afterEach(async () => {
  await farcall.close();
  await gateway.close();
});

describe("a call", () => {
  it("gives the function's result", async () => {
    const square = farcall.function((x: number) => x * x, { name: "square" });
    expect(await square(12)).toBe(144);
    expect(await square(13)).toBe(169);
    expect(gateway.requestsTo(/POST \/v1\/functions/)).toHaveLength(1);
  });

  it("throws the remote exception as TaskError", async () => {
    const fail = farcall.function((x: number): number => {
      throw new RangeError(`no ${x}`);
    });
    const error = await fail(1).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toMatchObject({ code: "USER_ERROR", remoteType: "RangeError", message: "no 1", endpoint: "small" });
    expect((error as TaskError).stack).toContain("RangeError: no 1");
  });

  it("goes out with all others of its tick in one batch", async () => {
    const double = farcall.function((x: number) => 2 * x, { name: "double" });
    const values = await Promise.all(Array.from({ length: 2500 }, (_, i) => double(i)));
    expect(values).toEqual(Array.from({ length: 2500 }, (_, i) => 2 * i));
    expect(gateway.requestsTo(/POST \/v1\/tasks/).map(({ tasks }) => tasks)).toEqual([1000, 1000, 500]);
  });
});
