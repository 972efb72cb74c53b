/** `npm run bench:elasticity`: how well an elastic pool is used, beside a fixed one, on real blocks; and the same in the model. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { round } from "../measure/statistics.ts";
import { reportTable } from "../report.ts";
import { drawTimeline } from "./draw.ts";
import { BLOCKS, runOnPool, WORKERS_PER_BLOCK } from "./pool.ts";
import { simulate } from "./simulate.ts";
import { bursts } from "./workflow.ts";

const HELP = `npm run bench:elasticity -- [--json] [--scale 0.4] [--svg FILE] [--model-only]

Runs 20, 1, 20 and 1 tasks of 100, 50, 100 and 50 s, times the scale, on ${BLOCKS} local blocks of ${WORKERS_PER_BLOCK} workers: once with
all blocks there from the start, once elastic from none. --svg writes a picture of the elastic run. --model-only
replays the load over a model of a batch system instead, with --queue-wait seconds for each block.`;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    scale: { type: "string", default: "0.4" },
    svg: { type: "string" },
    "model-only": { type: "boolean", default: false },
    "queue-wait": { type: "string", default: "5" },
    help: { type: "boolean", default: false },
  },
});
const scale = positive("--scale", values.scale);
const log = (line: string) => process.stderr.write(`${line}\n`);

if (values.help) console.log(HELP);
else if (values["model-only"]) await model();
else await measure();

async function measure(): Promise<void> {
  const { path: natsServer } = await ensureNatsServer({ log });
  const dir = await mkdtemp(join(tmpdir(), "farcall-elasticity-"));
  try {
    const maxIdleTimeMs = 200;
    log(`a fixed pool of ${BLOCKS * WORKERS_PER_BLOCK} workers`);
    const fixed = await runOnPool({
      dir: join(dir, "fixed"),
      natsServer,
      scale,
      policy: { initBlocks: BLOCKS, minBlocks: BLOCKS },
      workersFirst: BLOCKS * WORKERS_PER_BLOCK,
    });
    log("an elastic pool, from none");
    const elastic = await runOnPool({
      dir: join(dir, "elastic"),
      natsServer,
      scale,
      policy: { maxIdleTimeMs },
      workersFirst: 0,
    });
    await report(
      {
        utilisation: elastic.utilisation,
        makespan_ratio: elastic.makespanMs / fixed.makespanMs,
        blocks_started: elastic.blocksStarted,
        makespan_s: elastic.makespanMs / 1000,
        fixed_utilisation: fixed.utilisation,
        fixed_makespan_s: fixed.makespanMs / 1000,
        time_scale: scale,
      },
      drawTimeline(elastic.samples, `Elastic pool: ${percent(elastic.utilisation)} of the held worker time is used`),
    );
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function model(): Promise<void> {
  const wait = positive("--queue-wait", values["queue-wait"]) * 1000;
  const policy = {
    initBlocks: 0,
    minBlocks: 0,
    maxBlocks: BLOCKS,
    nodesPerBlock: 1,
    workersPerNode: WORKERS_PER_BLOCK,
  };
  const result = simulate({
    load: bursts(scale),
    policy: { ...policy, parallelism: 1, maxIdleTimeMs: 1_000 },
    node: { cores: WORKERS_PER_BLOCK, memoryMb: 8_192, gpus: 0 },
    queueWaitMs: () => wait,
    walltimeMs: null,
    stepMs: 100,
    limitMs: 86_400_000,
  });
  const { utilisation, makespanMs, blocksStarted } = result;
  await report(
    { utilisation, makespan_s: makespanMs / 1000, blocks_started: blocksStarted, queue_wait_s: wait / 1000 },
    drawTimeline(result.samples, `Model: ${percent(utilisation)} of the held worker time is used`),
  );
}

async function report(numbers: Record<string, number>, picture: string): Promise<void> {
  if (values.svg !== undefined) await writeFile(values.svg, picture);
  if (!values.json) return console.log(reportTable(numbers));
  const rounded = Object.entries(numbers).map(([key, value]) => [key, round(value)]);
  console.log(JSON.stringify(Object.fromEntries(rounded), null, 2));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new TypeError(`${name} is ${JSON.stringify(text)}; expected a number above 0`);
  return value;
}
