/** FAULTS.md B1: a manager is killed. Whole stacks, both managers, evidence from outside; test/chaos has what takes longer. */
import { afterEach, describe, expect, it } from "vitest";
import { type LostManagers, startLostManagers, startTwo } from "../support/lost-managers.ts";
import { MANAGERS } from "../support/managers.ts";
import { alive } from "../support/own-agent.ts";
import { waitFor } from "../support/wait-for.ts";

describe("a manager that is killed", { timeout: 60_000 }, () => {
  let world: LostManagers | undefined;
  afterEach(() => world?.stop());

  it.each(MANAGERS)(
    "B1 (%s): its workers end within seconds, the work runs elsewhere, once or MAYBE_RAN",
    async (type) => {
      world = await startLostManagers(type, { node: { cores: 2 }, policy: { workersPerNode: 2, maxBlocks: 2 } });
      const { workers, managers, judged } = await startTwo(world, 2_000);
      expect(managers).toHaveLength(1);
      process.kill(managers[0] as number, "SIGKILL");
      await waitFor(() => !workers.some(alive), { what: "the workers' end", timeoutMs: 5_000 });
      await judged();
    },
  );
});
