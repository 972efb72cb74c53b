import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real schedulers: vitest.site.config.ts; faults that last: vitest.chaos.config.ts
    exclude: ["test/site/**", "test/chaos/**"],
    reporters: ["default", "./test/support/closing-line.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A busy machine is not a fault: conditions are waited for as long as the test allows.
    expect: { poll: { timeout: 20_000 } },
    pool: "forks",
    maxWorkers: 2,
    // Real processes on a shared machine: a test that fails once is run again, and the report says so.
    retry: process.env.CI ? 1 : 0,
  },
});
