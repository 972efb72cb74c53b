/** Runs the workflow on a pool of real local blocks, and reads from the agent's log what the pool was. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startStack } from "../../deploy/stack.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { Farcall } from "../../sdk/index.ts";
import { type Sample, samplesOf, type Utilisation, utilisationOf } from "./timeline.ts";
import { runWorkflow } from "./workflow.ts";

export const WORKERS_PER_BLOCK = 2;
export const BLOCKS = 10;
const NAME = "elastic";
const POLL_MS = 50;

export type PoolOptions = {
  dir: string;
  natsServer: string;
  scale: number;
  /** of the endpoint's configuration */
  policy: Record<string, number>;
  /** workers that have to be there before the first submission */
  workersFirst: number;
};

export type PoolRun = Utilisation & { samples: Sample[]; blocksStarted: number };

/** The workflow on one pool. The pool counts from the first submission (a fixed one stood before) to the last result. */
export async function runOnPool(options: PoolOptions): Promise<PoolRun> {
  const config = { policy: { maxBlocks: BLOCKS, workersPerNode: WORKERS_PER_BLOCK, ...options.policy } };
  const node = { cores: WORKERS_PER_BLOCK };
  const endpoints = [{ name: NAME, config: { ...config, node } }];
  const stack = await startStack({ dir: options.dir, natsServer: options.natsServer, endpoints, restart: "never" });
  const farcall = new Farcall({ url: stack.url, token: stack.token, endpoint: NAME });
  try {
    while (((await farcall.endpoints.get(NAME)).summary?.slots ?? 0) < options.workersFirst) await sleep(POLL_MS);
    const { tasks, began } = await runWorkflow(farcall, options.scale);
    const makespanMs = Math.max(...tasks.map((task) => task.endedAt));
    await stack.part(`agent:${NAME}`).stop(15_000);
    const log = readFileSync(endpointLayout(stack.endpoints[0]?.dir as string).log, "utf8");
    const blocks = blocksOf(log)
      .map(({ from, to }) => ({ from: Math.max(0, from - began), to: Math.min(makespanMs, to - began) }))
      .filter(({ from, to }) => to > from);
    // A local block holds its workers from the moment it is asked for: its time to start counts against it.
    const held = blocks.map(({ from, to }) => ({ askedAt: from, upAt: from, goneAt: to, workers: WORKERS_PER_BLOCK }));
    const samples = samplesOf(tasks, held);
    return { ...utilisationOf(samples, makespanMs), samples, blocksStarted: blocks.length };
  } finally {
    await farcall.close();
    await stack.stop();
  }
}

/** From submission to proven end of each block, as the agent's log says. */
export function blocksOf(log: string): { block: string; from: number; to: number }[] {
  const blocks = new Map<string, { block: string; from: number; to: number }>();
  for (const text of log.split("\n")) {
    if (!text.startsWith("{")) continue;
    const { time, msg, block } = JSON.parse(text) as { time: number; msg: string; block?: string };
    if (block === undefined) continue;
    if (msg === "block submitted") blocks.set(block, { block, from: time, to: Number.POSITIVE_INFINITY });
    const known = blocks.get(block);
    if (msg === "block ended" && known) known.to = time;
  }
  return [...blocks.values()];
}
