/** Jobs for tests of dialects. */
import type { Job } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";

/** One node of four cores for 26 hours and half a minute, unless told otherwise. */
export function job(changes: Partial<Job>, config: Partial<BatchConfig> & Pick<BatchConfig, "type">): Job {
  return {
    name: "fcabcd0123456",
    nodes: 1,
    coresPerNode: 4,
    memoryMbPerNode: null,
    gpusPerNode: 0,
    walltimeMs: 26 * 3_600_000 + 30_000,
    logFile: "/scratch/blocks/1/log",
    options: BatchConfig.parse(config),
    ...changes,
  };
}
