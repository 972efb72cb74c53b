import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandOutput } from "../../../endpoint-agent/provider/batch/dialect.ts";
import type { RunCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import type { JobId } from "../../../endpoint-agent/provider/port.ts";
import { openBench } from "./batch-support.ts";

/** What may become of a submission: its answer, whether it arrives, and after how many lists it becomes visible. */
type Fate = { answer: "id" | "refusal" | "timeout" | "hang"; arrives: boolean; seenAfter: number };

const answers: Record<Exclude<Fate["answer"], "id">, CommandOutput> = {
  refusal: { code: 1, stdout: "", stderr: "sbatch: error: Batch job submission failed: Invalid qos specification\n" },
  timeout: {
    code: 1,
    stdout: "",
    stderr: "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
  },
  hang: { code: null, stdout: "", stderr: "sbatch: no answer within 60 s" },
};

const HEADER = "JOBID|ST|STATE|REASON|START_TIME|NODELIST|NAME\n";

/** A scheduler in memory, on a clock of its own. */
function createScheduler() {
  const jobs = new Map<string, { name: string; visibleAt: number }>();
  const state = {
    fate: { answer: "id", arrives: true, seenAfter: 0 } as Fate,
    now: 1_000_000,
    lists: 0,
    listFails: false,
  };
  const run: RunCommand = async ([file, ...args], { input }) => {
    state.now += 10;
    const command = file?.split("/").at(-1);
    if (command === "sbatch") {
      const { answer, arrives, seenAfter } = state.fate;
      const id = String(jobs.size + 1);
      const name = /--job-name=(\S+)/.exec(input)?.[1] as string;
      if (answer === "id" || (arrives && answer !== "refusal"))
        jobs.set(id, { name, visibleAt: state.lists + seenAfter });
      return answer === "id" ? { code: 0, stdout: `${id}\n`, stderr: "" } : answers[answer];
    }
    if (command === "scancel") {
      for (const id of args) jobs.delete(id);
      return { code: 0, stdout: "", stderr: "" };
    }
    if (state.listFails) return { code: 1, stdout: "", stderr: "slurm_load_jobs error\n" };
    state.lists++;
    const visible = [...jobs].filter(([, { visibleAt }]) => visibleAt < state.lists);
    return {
      code: 0,
      stdout: HEADER + visible.map(([id, { name }]) => `${id}|PD|PENDING|Priority|N/A||${name}\n`).join(""),
      stderr: "",
    };
  };
  return { jobs, state, run };
}

const fate: fc.Arbitrary<Fate> = fc.record({
  answer: fc.constantFrom("id", "refusal", "timeout", "hang"),
  arrives: fc.boolean(),
  // The last ones come up only after they were given up.
  seenAfter: fc.constantFrom(0, 0, 1, 2, 6),
});

describe("submissions whose answer is lost", () => {
  it("B12: in 500 trials there are in the end exactly the jobs that the agent knows", async () => {
    const bench = openBench({ bin: "/nowhere" });
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fate, fc.boolean()), { minLength: 1, maxLength: 5 }), async (trials) => {
          const scheduler = createScheduler();
          const { state, jobs, run } = scheduler;
          const timing = {
            intervalMs: 50,
            minIntervalMs: 50,
            maxIntervalMs: 50,
            doubtMs: 100,
            minLists: 3,
            now: () => state.now,
          };
          const provider = bench.engine({ run, orphanTimeoutMs: 10 ** 9, timing });
          const known: JobId[] = [];
          const unsure: string[] = [];
          const look = async () => {
            for (const block of [...unsure]) {
              const job = await provider.find(block).catch(() => "unknown");
              if (job === "unknown") continue;
              unsure.splice(unsure.indexOf(block), 1);
              if (job !== undefined) known.push(job);
            }
            await provider.status(known);
            state.now += 60;
          };
          for (const [next, listFails] of trials) {
            state.fate = next;
            state.listFails = listFails;
            const request = bench.request();
            await provider.submit(request).then(
              (job) => known.push(job),
              () => unsure.push(request.name),
            );
            await look();
          }
          state.listFails = false;
          for (let i = 0; i < 12; i++) await look();
          expect(unsure).toEqual([]);
          expect([...jobs.keys()].sort()).toEqual(known.map((job) => job.split("/")[0]).sort());
          expect(new Set(known).size).toBe(known.length);
        }),
        { numRuns: 500 },
      );
    } finally {
      bench.close();
    }
  });
});
