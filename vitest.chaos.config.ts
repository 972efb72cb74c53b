import { defineConfig } from "vitest/config";

/** `npm run test:chaos`: faults that last, and many of them, which the usual suite has no time for. */
export default defineConfig({
  test: {
    // Of the usual suite, what is random: there a few thousand times, here as often as docs/rules.md says.
    include: ["test/chaos/**/*.test.ts", "test/endpoint-agent/provider/{fuzz,fuzz-four,slurm-dialect}.test.ts"],
    env: { FARCALL_FUZZ_RUNS: "100000" },
    reporters: ["default", "./test/support/closing-line.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    pool: "forks",
    // Faults of one must not be those of another.
    maxWorkers: 1,
    retry: 0,
  },
});
