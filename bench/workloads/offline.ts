/** Work for an endpoint that is not there: it waits on disk, and is done when the endpoint comes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Farcall } from "../../sdk/index.ts";
import { peakMemory } from "../measure/memory.ts";
import { timeMs } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";

const BATCH = 10_000;
const GROUP = "offline";

export const offline: Workload = {
  name: "offline",
  about: "1,000,000 calls queued while the endpoint is down, then drained when it is up",
  run: ({ withFarcall, quick, log, signal }) =>
    withFarcall(async ({ farcall, stack }) => {
      const agent = stack.part("agent:bench");
      await agent.stop(10_000);
      const count = quick ? 50_000 : 1_000_000;
      const queueMs = await timeMs(() => queue(farcall, count));
      log(`${count.toLocaleString("en")} queued in ${(queueMs / 1000).toFixed(1)} s`);
      const drainMs = await timeMs(async () => {
        await agent.start();
        await drained(farcall, signal);
      });
      return {
        offline_tasks: count,
        offline_submit_per_s: (count / queueMs) * 1000,
        offline_drain_per_s: (count / drainMs) * 1000,
        offline_failed: await failures(farcall),
        ...peakMemory(stack, "offline_"),
      };
    }),
};

/** Submits without keeping a handle on anything: the tasks are the gateway's, this client may go. */
async function queue(farcall: Farcall, count: number): Promise<void> {
  const nothing = farcall.group(GROUP).function(farcall.function(() => null, { name: "noop" }));
  for (let done = 0; done < count; done += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, () => nothing.submit().accepted));
  }
}

async function drained(farcall: Farcall, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { items } = await farcall.call("listGroups", { query: {} });
    if (items.find(({ name }) => name === GROUP)?.unfinished === 0) return;
    await sleep(250, undefined, { signal });
  }
}

async function failures(farcall: Farcall): Promise<number> {
  const { counts } = await farcall.call("countTasks", { query: { group: GROUP, state: ["failed", "expired"] } });
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
