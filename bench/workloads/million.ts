/** The same work ten times over: the rate must not fall and memory must not grow with the number of tasks. */
import type { Remote } from "../../sdk/index.ts";
import { peakMemory } from "../measure/memory.ts";
import { timeMs } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";

const IN_FLIGHT = 10_000;

export const million: Workload = {
  name: "million",
  about: "1,000,000 no-op calls streamed through map, after 100,000 of them; and the memory of each part at its peak",
  run: ({ withFarcall, quick, log }) =>
    withFarcall(async ({ farcall, stack }) => {
      const nothing = farcall.function((_: number) => null, { name: "noop" });
      const few = quick ? 10_000 : 100_000;
      await stream(nothing, 5_000);
      const small = await stream(nothing, few);
      log(`${few.toLocaleString("en")} streamed: ${Math.round(small)} tasks/s`);
      const large = await stream(nothing, few * 10);
      return {
        million_tasks: few * 10,
        million_tasks_per_s: large,
        map_tasks_per_s: small,
        million_ratio: large / small,
        ...peakMemory(stack),
      };
    }),
};

async function stream(remote: Remote<(x: number) => null>, count: number): Promise<number> {
  let ended = 0;
  const ms = await timeMs(async () => {
    for await (const result of remote.map(numbers(count), { inFlight: IN_FLIGHT })) {
      if (result.error !== undefined) throw result.error;
      ended++;
    }
  });
  if (ended !== count) throw new Error(`${ended} results of ${count} calls`);
  return (count / ms) * 1000;
}

function* numbers(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i;
}
