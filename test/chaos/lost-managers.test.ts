/** FAULTS.md B2: a manager is stopped for longer than its lease, and goes on later. Whole stacks, both managers, evidence from outside. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startLostManagers, startTwo } from "../support/lost-managers.ts";
import { MANAGERS } from "../support/managers.ts";
import { alive } from "../support/own-agent.ts";
import { waitFor } from "../support/wait-for.ts";

/** Past the lease, who lost it waits 15 s more (PROTOCOL.md rule 19). */
const PATIENCE_MS = 120_000;
const SHORT = { leaseMs: 5_000, taskMs: 8_000, stoppedMs: 0 };
const LONG = { leaseMs: 60_000, taskMs: 75_000, stoppedMs: 300_000 };

describe.each(MANAGERS)("a manager that is stopped past its lease (%s)", { timeout: 900_000 }, (type) => {
  const start = async ({ leaseMs, taskMs }: typeof SHORT) => {
    const policy = { workersPerNode: 2, maxBlocks: 2 };
    const world = await startLostManagers(type, { orphanTimeoutMs: leaseMs, node: { cores: 2 }, policy });
    return { world, ...(await startTwo(world, taskMs)) };
  };
  const again = (world: Awaited<ReturnType<typeof start>>["world"]) =>
    waitFor(() => world.starts("often").length === 2, { what: "the second attempt", timeoutMs: PATIENCE_MS });

  it.concurrent.each([
    ["a while", SHORT],
    ["five minutes", LONG],
  ])("B2: for %s: nothing of it lives, nothing is published, no two attempts", async (_, lengths) => {
    const { world, workers, managers, judged } = await start(lengths);
    try {
      const until = performance.now() + lengths.stoppedMs;
      process.kill(managers[0] as number, "SIGSTOP");
      await waitFor(() => !workers.some(alive), { what: "the workers' end at the deadline", timeoutMs: PATIENCE_MS });
      await again(world);
      await sleep(Math.max(0, until - performance.now()));
      if (alive(managers[0] as number)) process.kill(managers[0] as number, "SIGCONT");
      await judged();
    } finally {
      await world.stop();
    }
  });

  it.concurrent.each([
    ["a while", SHORT],
    ["five minutes", LONG],
  ])("B2: for %s, with its watchdog and workers, as on a node that was suspended: it is fenced", async (_, lengths) => {
    const { world, managers, judged } = await start(lengths);
    try {
      const until = performance.now() + lengths.stoppedMs;
      const stopped = world.processes();
      expect(stopped.length).toBeGreaterThan(2);
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
      await again(world);
      await sleep(Math.max(0, until - performance.now()));
      for (const pid of stopped.filter(alive)) process.kill(pid, "SIGCONT");
      await waitFor(() => !alive(managers[0] as number), { what: "its end" });
      await judged();
    } finally {
      await world.stop();
    }
  });
});
