/** Runs the workflow on a pool of real blocks, and reads from the agent's log what the pool was. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startStack } from "../../deploy/stack.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { Farcall } from "../../sdk/index.ts";
import { blockLives } from "./block-lives.ts";
import { type BlockLife, type Split, splitOf } from "./split.ts";
import { type Sample, samplesOf, type Utilisation, utilisationOf } from "./timeline.ts";
import { runWorkflow, warmUp } from "./workflow.ts";

export const WORKERS_PER_BLOCK = 2;
export const BLOCKS = 10;
const NAME = "elastic";
const POLL_MS = 50;

/** Where blocks run. */
export type Ground = {
  env?: Record<string, string>;
  /** more of the endpoint's configuration */
  config: Record<string, unknown>;
  /** when its jobs held their nodes; without it a block holds them from its submission to its proven end */
  times?(): ReadonlyMap<string, { from: number; to: number }>;
};

export type PoolOptions = {
  dir: string;
  natsServer: string;
  scale: number;
  ground: Ground;
  /** of the endpoint's configuration */
  policy: Record<string, number>;
};

export type PoolRun = Utilisation & { samples: Sample[]; blocksStarted: number; split: Split };

/** The workflow on one pool. The pool counts from the first submission (a fixed one stood before) to the last result. */
export async function runOnPool({ dir, natsServer, scale, ground, policy }: PoolOptions): Promise<PoolRun> {
  const config = {
    ...ground.config,
    policy: { maxBlocks: BLOCKS, workersPerNode: WORKERS_PER_BLOCK, walltimeMs: 3_600_000, ...policy },
    node: { cores: WORKERS_PER_BLOCK, memoryMb: 500 },
  };
  const endpoints = [{ name: NAME, config }];
  const env = { ...process.env, ...ground.env };
  const stack = await startStack({ dir, natsServer, endpoints, env, restart: "never" });
  const farcall = new Farcall({ url: stack.url, token: stack.token, endpoint: NAME });
  const slots = async () => (await farcall.endpoints.get(NAME)).summary?.slots ?? 0;
  const blocks = async () => (await farcall.endpoints.get(NAME)).summary?.blocks.length ?? 0;
  try {
    const first = (policy.minBlocks ?? 0) * WORKERS_PER_BLOCK;
    await warmUp(farcall);
    if (first === 0) while ((await blocks()) > 0) await sleep(POLL_MS);
    while ((await slots()) < first) await sleep(POLL_MS);
    const { tasks, began } = await runWorkflow(farcall, scale);
    const makespanMs = Math.max(...tasks.map((task) => task.endedAt));
    const times = ground.times?.();
    await stack.part(`agent:${NAME}`).stop(30_000);
    const known = blockLives(readFileSync(endpointLayout(stack.endpoints[0]?.dir as string).log, "utf8"));
    const lives = known
      .map((life) => since(began, { ...life, ...heldAt(times?.get(life.job)) }))
      .filter(({ askedAt, goneAt }) => goneAt > 0 && askedAt < makespanMs);
    // A local block holds its workers from the moment it is asked for: its time to start counts against it.
    const held = lives.map(({ askedAt, goneAt }) => {
      const from = Math.max(0, askedAt);
      return { askedAt: from, upAt: from, goneAt: Math.min(makespanMs, goneAt), workers: WORKERS_PER_BLOCK };
    });
    const samples = samplesOf(tasks, held);
    const split = splitOf(tasks, lives, { workers: WORKERS_PER_BLOCK, end: makespanMs });
    return { ...utilisationOf(samples, makespanMs), samples, blocksStarted: lives.length, split };
  } finally {
    await farcall.close();
    await stack.stop();
  }
}

function since(began: number, life: BlockLife): BlockLife {
  const { askedAt, upAt, letGoAt, goneAt } = life;
  return { ...life, askedAt: askedAt - began, upAt: upAt - began, letGoAt: letGoAt - began, goneAt: goneAt - began };
}

function heldAt(time: { from: number; to: number } | undefined): Partial<BlockLife> {
  return time === undefined ? {} : { askedAt: time.from, goneAt: time.to };
}
