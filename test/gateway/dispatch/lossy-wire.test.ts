import { describe, expect, it } from "vitest";
import type { Wire } from "../../../gateway/wire/wire.ts";
import { createWorld, until } from "./world.ts";

/** How often a message is delivered: lost and doubled with the same probability, from a seed that is shown on failure. */
function chance(seed: number, probability: number): () => number {
  let state = seed;
  return () => {
    // A 32-bit xorshift is enough, and repeats a run.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const drawn = (state >>> 0) / 2 ** 32;
    return drawn < probability ? 0 : drawn < 2 * probability ? 2 : 1;
  };
}

/** Loses and doubles what the gateway sends; what it hears is lost at the agent's end. */
function lossy(wire: Wire, times: () => number): Wire {
  const repeat = (action: () => void) => {
    for (let left = times(); left > 0; left--) action();
  };
  return {
    ...wire,
    work(endpoint, frame) {
      if (!wire.connected()) return false;
      repeat(() => wire.work(endpoint, frame));
      return true;
    },
    answer: (...answered) => repeat(() => wire.answer(...answered)),
    ask: (...asked) => repeat(() => wire.ask(...asked)),
  };
}

describe("a wire that loses and doubles", () => {
  it.each([1, 5])(
    "N7: with %i in 100 messages lost and as many doubled, every task ends once and is held once",
    async (percent) => {
      const seed = Number(process.env.FARCALL_SEED ?? Date.now() % 2 ** 31) || 1;
      const times = chance(seed, percent / 100);
      const world = await createWorld({ wrap: (wire) => lossy(wire, times) });
      const agent = await world.agent({ window: 50, times });
      const ids: string[] = [];
      for (let i = 0; i < 100; i++) {
        ids.push(...(await world.submit(10)));
        // Receipts are waited for in the gateway's time.
        if (i % 10 === 9) world.skip(1_000);
      }
      await until(
        async () => {
          world.skip(1_000);
          await agent.beat();
          return ids.every((id) => world.ends.has(id));
        },
        `every task has ended (seed ${seed})`,
        60_000,
      );
      expect([...world.ends.values()].filter((ends) => ends.length !== 1)).toEqual([]);
      expect([...agent.took.values()].filter((times) => times > 1)).toEqual([]);
      for (const id of ids) expect(await world.state(id)).toBe("succeeded");
    },
    120_000,
  );
});
