import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorCode } from "../../protocol/errors.ts";
import { ApiError } from "../../sdk/errors.ts";
import { NoAnswer, parseRetryAfter, type RetryPolicy, retryDelay, sleep } from "../../sdk/http/retry.ts";

const policy: RetryPolicy = { retryForMs: 60_000, connectForMs: 1_000, reached: true, idempotent: true };
const first = { tries: 1, elapsedMs: 0, random: 0.5 };
const refused = (code: ErrorCode) => ({ error: new ApiError(code, "no") });

describe("retryDelay", () => {
  it("repeats exactly what the table of errors calls retryable", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(retryDelay(refused(code), policy, first) !== undefined, code).toBe(ERRORS[code].retryable);
    }
  });

  it("repeats what got no answer only if it may be carried out twice", () => {
    const lost = { error: new NoAnswer("reset") };
    expect(retryDelay(lost, policy, first)).toBeGreaterThan(0);
    expect(retryDelay(lost, { ...policy, idempotent: false }, first)).toBeUndefined();
  });

  it("does not repeat a mistake of the caller or of the program", () => {
    expect(retryDelay({ error: new TypeError("x") }, policy, first)).toBeUndefined();
    expect(retryDelay(refused("BAD_REQUEST"), policy, first)).toBeUndefined();
  });

  it("waits at least as long as the gateway asked for", () => {
    expect(retryDelay({ ...refused("QUEUE_FULL"), retryAfterMs: 7_000 }, policy, first)).toBe(7_000);
  });

  it("gives up early on a gateway that was never there, and late on one that was", () => {
    const down = { error: new NoAnswer("refused") };
    const later = { tries: 8, elapsedMs: 5_000, random: 0 };
    expect(retryDelay(down, { ...policy, reached: false }, later)).toBeUndefined();
    expect(retryDelay(down, policy, later)).toBeGreaterThan(0);
    expect(retryDelay(down, policy, { ...later, elapsedMs: 60_000 })).toBeUndefined();
  });

  it("leaves a full queue to a caller who can send less", () => {
    expect(retryDelay(refused("QUEUE_FULL"), { ...policy, waitForRoom: false }, first)).toBeUndefined();
    expect(retryDelay(refused("STORAGE_FULL"), { ...policy, waitForRoom: false }, first)).toBeGreaterThan(0);
  });

  it("takes INTERNAL as final after a few tries", () => {
    expect(retryDelay(refused("INTERNAL"), policy, { ...first, tries: 4 })).toBeUndefined();
  });

  it("grows to a bound, with jitter", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (tries, random) => {
        const delay = retryDelay(refused("UNAVAILABLE"), policy, { tries, elapsedMs: 0, random }) as number;
        const full = Math.min(5_000, 50 * 2 ** (tries - 1));
        expect(delay).toBeGreaterThanOrEqual(full / 2);
        expect(delay).toBeLessThanOrEqual(full);
      }),
    );
  });
});

describe("parseRetryAfter", () => {
  it("reads seconds and dates, and nothing else", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(parseRetryAfter("3", now)).toBe(3_000);
    expect(parseRetryAfter("Thu, 01 Jan 2026 00:00:05 GMT", now)).toBe(5_000);
    expect(parseRetryAfter("Thu, 01 Jan 2020 00:00:05 GMT", now)).toBe(0);
    expect(parseRetryAfter("soon", now)).toBeUndefined();
    expect(parseRetryAfter(null, now)).toBeUndefined();
  });
});

it("sleep ends with the signal's reason", async () => {
  const controller = new AbortController();
  const sleeping = sleep(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await expect(sleeping).rejects.toThrow("enough");
  await expect(sleep(60_000, controller.signal)).rejects.toThrow("enough");
});
