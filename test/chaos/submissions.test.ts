/** FAULTS.md B12, with real commands: answers of submissions are lost 500 times, and as many jobs as were meant are there. */
import { expect, it } from "vitest";
import type { JobId } from "../../endpoint-agent/provider/port.ts";
import { openBench } from "../endpoint-agent/provider/batch-support.ts";
import { createStandIn } from "../support/stand-ins/stand-in.ts";
import { waitFor } from "../support/wait-for.ts";

const TRIALS = 500;
const AT_ONCE = 10;

it("B12: in 500 submissions whose job is made and whose answer is lost, blocks are as many as intended", async () => {
  const standIn = createStandIn({ kind: "slurm" });
  const bench = openBench(standIn);
  try {
    standIn.control({ neverStart: true });
    // Every second one hangs past the timeout, the others fail in words that say nothing of the job.
    const stderr = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n";
    const provider = bench.engine({ config: bench.config({ commandTimeoutMs: 5_000 }), orphanTimeoutMs: 3_600_000 });
    const jobs: JobId[] = [];
    for (let done = 0; done < TRIALS; done += AT_ONCE) {
      const hangs = done % 100 === 0;
      const heal = standIn.fault(
        hangs ? { command: "sbatch", do: "lose" } : { command: "sbatch", do: "lose", code: 1, stderr },
      );
      const requests = Array.from({ length: AT_ONCE }, () => bench.request());
      const outcomes = await Promise.allSettled(requests.map((request) => provider.submit(request)));
      heal();
      expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
      for (const { name } of requests) {
        await waitFor(
          () =>
            provider.find(name).then(
              (job) => job !== undefined && jobs.push(job) > 0,
              () => false,
            ),
          { what: `the job of ${name}` },
        );
      }
    }
    const live = standIn.jobs().filter(({ state }) => state !== "done");
    expect([live.length, new Set(jobs).size]).toEqual([TRIALS, TRIALS]);
    expect(live.map(({ id }) => id).sort()).toEqual(jobs.map((job) => job.split("/")[0]).sort());
  } finally {
    bench.close();
    await standIn.stop();
  }
}, 900_000);
