import { describe, expect, it, vi } from "vitest";
import { createRoom } from "../../sdk/calls/room.ts";
import { ApiError } from "../../sdk/errors.ts";

const full = (retryAfterMs?: number) =>
  new ApiError("QUEUE_FULL", "full", { details: retryAfterMs === undefined ? {} : { retryAfterMs } });

describe("room in the gateway's queue", () => {
  it("halves the batch at each refusal down to one call, and doubles it again at each success", async () => {
    const room = createRoom();
    room.accepted(1_000_000);
    const sizes: number[] = [];
    while (room.limit > 1) {
      const waited = room.refused(room.limit, full());
      sizes.push(room.limit);
      for (let i = 0; i < 1000; i++) room.ended();
      await waited;
    }
    expect(sizes).toEqual([500, 250, 125, 63, 32, 16, 8, 4, 2, 1]);
    room.accepted(1);
    expect(room.limit).toBe(2);
    for (let i = 0; i < 20; i++) room.accepted(1);
    expect(room.limit).toBe(1000);
  });

  it("is tried again when half of the client's own calls have ended, or when the gateway said", async () => {
    vi.useFakeTimers();
    const room = createRoom();
    room.accepted(10);
    let woken = 0;
    const refuse = () =>
      void room.refused(10, full(3_000)).then(() => {
        woken++;
      });
    refuse();
    expect(room.full).toBe(true);
    for (let i = 0; i < 4; i++) room.ended();
    await vi.advanceTimersByTimeAsync(2_900);
    expect(woken).toBe(0);
    room.ended();
    await vi.advanceTimersByTimeAsync(0);
    expect([woken, room.full]).toEqual([1, false]);
    refuse();
    await vi.advanceTimersByTimeAsync(3_000);
    expect([woken, room.full]).toEqual([2, false]);
    vi.useRealTimers();
  });

  it("counts from the first refusal on for how long it is full", () => {
    const room = createRoom();
    expect(room.fullMs()).toBe(0);
    void room.refused(1, full());
    expect(room.fullMs()).toBeGreaterThanOrEqual(0);
    room.ended();
    room.accepted(0);
    expect(room.fullMs()).toBe(0);
  });
});
