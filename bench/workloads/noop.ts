/** A bag of calls that do nothing, all made at once: what Farcall itself costs a task. */
import type { Remote } from "../../sdk/index.ts";
import { timeMs } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";

const WARM_UP = 5_000;

export const noop: Workload = {
  name: "noop",
  about: "a bag of 100,000 no-op calls, all made at once, two Node workers",
  run: ({ withFarcall, quick }) =>
    withFarcall(async ({ farcall }) => {
      const nothing = farcall.function(() => null, { name: "noop" });
      await bag(nothing, WARM_UP);
      return { noop_tasks_per_s: await bag(nothing, quick ? 10_000 : 100_000) };
    }),
};

/** Tasks per second of `count` calls made at once. */
export async function bag(remote: Remote<() => unknown>, count: number): Promise<number> {
  const ms = await timeMs(() => Promise.all(Array.from({ length: count }, () => remote())));
  return (count / ms) * 1000;
}
