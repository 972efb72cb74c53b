import { expect, it } from "vitest";
import { oneAtATime } from "../../endpoint-agent/one-at-a-time.ts";

it("work that is asked for while it runs is done once more, never twice at once", async () => {
  let begun = 0;
  let atOnce = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const work = oneAtATime(async () => {
    begun++;
    expect(++atOnce).toBe(1);
    await promise;
    atOnce--;
  });
  const first = work();
  await Promise.all([work(), work()]);
  expect(begun).toBe(1);
  resolve();
  await first;
  expect(begun).toBe(2);
});

it("work that failed is done when it is asked for again", async () => {
  let fails = true;
  const work = oneAtATime(async () => {
    if (fails) throw new Error("no");
    fails = true;
  });
  await expect(work()).rejects.toThrow("no");
  fails = false;
  await work();
  expect(fails).toBe(true);
});
