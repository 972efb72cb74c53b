import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import type { RunCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import { until } from "../support.ts";
import { openBench } from "./batch-support.ts";

it("a scheduler that is away for long is asked again and again without a trace of it", async () => {
  const bench = openBench({ bin: "/nowhere" });
  const ending = new AbortController();
  let lists = 0;
  const run: RunCommand = async () => {
    lists++;
    return { code: 1, stdout: "", stderr: "slurm_load_jobs error: Unable to contact slurm controller" };
  };
  try {
    bench.engine({ run, signal: ending.signal, timing: { intervalMs: 1, maxIntervalMs: 1 } });
    await until("it was asked five times", () => lists >= 5);
    expect(getEventListeners(ending.signal, "abort").length).toBeLessThanOrEqual(1);
  } finally {
    ending.abort();
    bench.close();
  }
});
