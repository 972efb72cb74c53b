import { defineConfig } from "vitest/config";

/** `npm run test:site`: against real schedulers and servers, which are slow and need their packages. */
export default defineConfig({
  test: {
    include: ["test/site/**/*.test.ts"],
    reporters: ["default", "./test/support/closing-line.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    pool: "forks",
    // Real daemons on one machine: one at a time.
    maxWorkers: 1,
    retry: process.env.CI ? 1 : 0,
  },
});
