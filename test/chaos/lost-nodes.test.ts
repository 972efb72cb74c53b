/** FAULTS.md B3: a node is lost without a signal, a FIN or a word of the scheduler. A stand-in Slurm whose jobs run behind a veth pair. */
import { afterEach, describe, expect, it } from "vitest";
import { makeFarNode, whyNoFarNode } from "../support/far-node.ts";
import { startLostManagers, startTwo } from "../support/lost-managers.ts";
import { MANAGERS } from "../support/managers.ts";
import { alive } from "../support/own-agent.ts";
import { createStandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

const LEASE_MS = 8_000;

const cleanup: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

const why = whyNoFarNode();
describe.skipIf(why)(`a node that is lost${why ? ` (skipped: ${why})` : ""}`, { timeout: 240_000 }, () => {
  it.each(MANAGERS)(
    "B3 (%s): its work ends there at the deadline, and runs elsewhere after it, never both",
    async (type) => {
      const node = makeFarNode();
      cleanup.push(node.remove);
      const standIn = createStandIn({ kind: "slurm" });
      cleanup.push(standIn.stop);
      node.move(standIn.bin, "sbatch");
      const world = await startLostManagers(type, {
        orphanTimeoutMs: LEASE_MS,
        node: { cores: 2, memoryMb: 500 },
        provider: { type: "slurm", binDir: standIn.bin, statusIntervalMs: 10_000 },
        policy: { workersPerNode: 2, maxBlocks: 2, walltimeMs: 600_000 },
        link: { address: node.near },
      });
      cleanup.push(world.stop);
      const { workers, judged } = await startTwo(world, 15_000);
      node.cut();
      await waitFor(() => !workers.some(alive), { what: "the workers' end at the deadline", timeoutMs: 60_000 });
      expect(world.starts("often"), "nobody else has begun before that").toHaveLength(1);
      node.mend();
      await judged();
    },
  );
});
