/** `npm run bench:elasticity`: how well an elastic pool is used, beside a fixed one, on real blocks; and the same in the model. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { round } from "../measure/statistics.ts";
import { reportTable } from "../report.ts";
import { drawTimeline } from "./draw.ts";
import { LOCAL, startSlurmGround } from "./grounds.ts";
import { runOnParsl } from "./parsl.ts";
import { BLOCKS, runOnPool, WORKERS_PER_BLOCK } from "./pool.ts";
import { comparison, drawTrace } from "./replays.ts";

const HELP = `npm run bench:elasticity -- [--json] [--quick] [--scale 0.8] [--provider local|slurm] [--idle short|adapted] [--svg FILE] [--parsl]
npm run bench:elasticity -- --model-only [--trace NAME --svg FILE]

Runs 20, 1, 20 and 1 tasks of 100, 50, 100 and 50 s, times the scale, on ${BLOCKS} blocks of ${WORKERS_PER_BLOCK} workers: once with all
blocks there from the start, once elastic from none. --parsl runs Parsl on the same work afterwards. --svg writes a
picture of the elastic run. --quick is --scale 0.2. --idle adapted lets idle blocks go after as long as a start takes
(minIdleTimeMs: 0), not after half a second of the paper. --model-only replays eight loads over a model of a batch system
instead, with the rules of the scaler and without them.`;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    scale: { type: "string" },
    provider: { type: "string", default: "local" },
    idle: { type: "string", default: "short" },
    parsl: { type: "boolean", default: false },
    svg: { type: "string" },
    "model-only": { type: "boolean", default: false },
    trace: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const scale = positive("--scale", values.scale ?? (values.quick ? "0.2" : "0.8"));
const log = (line: string) => process.stderr.write(`${line}\n`);

if (values.help) console.log(HELP);
else if (values.trace !== undefined) await picture(drawTrace(values.trace));
else if (values["model-only"]) {
  const { table, numbers } = comparison();
  console.log(values.json ? JSON.stringify(numbers, null, 2) : table);
} else await measure();

async function measure(): Promise<void> {
  if (!["local", "slurm"].includes(values.provider)) throw new TypeError("--provider is local or slurm");
  const { path: natsServer } = await ensureNatsServer({ log });
  const dir = await mkdtemp(join(tmpdir(), "farcall-elasticity-"));
  try {
    await using ground = values.provider === "slurm" ? await startSlurmGround() : LOCAL;
    const options = { natsServer, scale, ground };
    log(`a fixed pool of ${BLOCKS * WORKERS_PER_BLOCK} workers`);
    const standing = { initBlocks: BLOCKS, minBlocks: BLOCKS };
    const fixed = await runOnPool({ ...options, dir: join(dir, "fixed"), policy: standing });
    log("an elastic pool, from none");
    // Half a second of the paper: the stages tell nobody how long the next one keeps its workers waiting.
    const idle =
      values.idle === "adapted" ? { minIdleTimeMs: 0, maxIdleTimeMs: 120_000 * scale } : { maxIdleTimeMs: 500 * scale };
    const elastic = await runOnPool({ ...options, dir: join(dir, "elastic"), policy: idle });
    const idleShares = Object.entries(elastic.split).map(([key, ms]) => [`idle_${key}`, ms / elastic.workerMsHeld]);
    const numbers: Record<string, number> = {
      utilisation: elastic.utilisation,
      makespan_ratio: elastic.makespanMs / fixed.makespanMs,
      blocks_started: elastic.blocksStarted,
      makespan_s: elastic.makespanMs / 1000,
      fixed_utilisation: fixed.utilisation,
      fixed_makespan_s: fixed.makespanMs / 1000,
      time_scale: scale,
      ...Object.fromEntries(idleShares),
    };
    if (values.parsl) Object.assign(numbers, await runOnParsl({ scale, log }));
    const share = `${(elastic.utilisation * 100).toFixed(1)} %`;
    await picture(
      drawTimeline(
        elastic.samples,
        `Elastic pool, ${values.provider} blocks: ${share} of the held worker time is used`,
      ),
    );
    report(numbers);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function picture(svg: string): Promise<void> {
  if (values.svg !== undefined) await writeFile(values.svg, svg);
}

function report(numbers: Record<string, number>): void {
  if (!values.json) {
    console.log(reportTable(numbers));
    return;
  }
  const rounded = Object.entries(numbers).map(([key, value]) => [key, round(value)]);
  console.log(JSON.stringify(Object.fromEntries(rounded), null, 2));
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new TypeError(`${name} is ${JSON.stringify(text)}; expected a number above 0`);
  return value;
}
