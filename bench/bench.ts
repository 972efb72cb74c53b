/** Sets up what the workloads run on: a temporary directory, a nats-server, Farcalls started and stopped. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureNatsServer } from "../deploy/nats/server.ts";
import { startStack } from "../deploy/stack.ts";
import { Farcall } from "../sdk/index.ts";
import type { Bench } from "./workload.ts";

export type BenchOptions = {
  quick: boolean;
  durability: "disk" | "fast";
  signal: AbortSignal;
  log: (line: string) => void;
};

/** The endpoint's configuration: one block of two workers, there from the start so that its start is not measured. */
const ENDPOINT = {
  name: "bench",
  config: { policy: { initBlocks: 1, minBlocks: 1, maxBlocks: 1, workersPerNode: 2 } },
};

/** Makes the bench; `use` gets it, and what it started is gone afterwards. */
export async function withBench<T>(options: BenchOptions, use: (bench: Bench) => Promise<T>): Promise<T> {
  const { path: natsServer } = await ensureNatsServer({ log: options.log });
  const dir = await mkdtemp(join(tmpdir(), "farcall-bench-"));
  let count = 0;
  const bench: Bench = {
    ...options,
    dir,
    natsServer,
    async withFarcall(use, { gateway } = {}) {
      const stack = await startStack({
        dir: join(dir, `farcall-${count++}`),
        natsServer,
        endpoints: [ENDPOINT],
        durability: options.durability,
        restart: "never",
        ...(gateway ? { gateway } : {}),
      });
      const farcall = new Farcall({ url: stack.url, token: stack.token, endpoint: ENDPOINT.name });
      try {
        return await use({ stack, farcall });
      } finally {
        await farcall.close();
        await stack.stop();
      }
    },
  };
  try {
    return await use(bench);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
