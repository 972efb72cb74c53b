/** FAULTS.md A4, for long: black holes that outlast the patience of every connection. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { startCutOffStack } from "../support/cut-off-stack.ts";
import { judge, readEvidence } from "../support/evidence.ts";
import { waitFor } from "../support/wait-for.ts";

/** Longer than NATS waits for two of its pings, and than the gateway takes an agent for online; and ten minutes. */
const BLACK_HOLES_S = [45, 600];

it.concurrent.each(BLACK_HOLES_S)(
  "A4: a black hole of %i s costs nothing: what ended in it arrives, what runs goes on, in one attempt",
  {
    timeout: 900_000,
  },
  async (seconds) => {
    const blackHoleMs = seconds * 1_000;
    const config = { orphanTimeoutMs: 2 * blackHoleMs + 30_000, node: { cores: 2 }, policy: { workersPerNode: 2 } };
    const { farcall, call, evidence, cutOff, reconnect, stop } = await startCutOffStack(config);
    try {
      expect(await call("warm", 1)).toBe("warm");
      const tasks = [call("ends-within", 5_000), call("ends-after", blackHoleMs + 10_000)];
      await waitFor(() => judge(readEvidence(evidence)).starts.size === 3, { what: "both starts" });
      cutOff();
      const waits = call("waits", 1);
      await sleep(blackHoleMs);
      expect((await farcall.endpoints.get("laptop")).state).toBe("offline");
      reconnect();
      expect(await Promise.all([...tasks, waits])).toEqual(["ends-within", "ends-after", "waits"]);
      const { starts, overlaps } = judge(readEvidence(evidence));
      expect(overlaps, "I3: two live attempts").toEqual([]);
      expect([...starts.values()].every((count) => count === 1)).toBe(true);
      for (const { id } of tasks) expect((await farcall.tasks.get(id)).attempts).toHaveLength(1);
    } finally {
      await stop();
    }
  },
);
