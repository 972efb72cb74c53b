import { hostname } from "node:os";
import { expect, it } from "vitest";
import { createWorld, isGone, isRunning } from "../../endpoint-agent/provider/site.ts";
import { startSge, whyNoSge } from "../../support/sge/sge.ts";

const missing = whyNoSge();

it.skipIf(missing)(
  `B15: a job of a real Grid Engine does not come up on a node that is excluded${missing ? ` (${missing})` : ""}`,
  async () => {
    await using sge = await startSge();
    const world = createWorld({ config: { type: "sge" }, env: sge.env, stop: sge.stop });
    const away = await world.provider.submit({ ...world.request("sleep 300"), exclude: [hostname(), "other"] });
    const here = await world.provider.submit({ ...world.request("sleep 300"), exclude: ["other", "another"] });
    await world.until(here, isRunning, "the start of the job that only keeps away from others");
    expect((await world.provider.status([away])).get(away)?.state).toBe("pending");
    await world.provider.cancel([away, here], { force: false });
    for (const job of [away, here]) await world.until(job, isGone, "the end");
    world.stop();
  },
);
