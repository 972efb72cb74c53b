/** Parsl on the same stages, scaled by its own strategy, with local blocks of the same shape. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../deploy/command.ts";
import { activated, ensureEnvironment } from "../peers/environment.ts";
import { BLOCKS, WORKERS_PER_BLOCK } from "./pool.ts";
import { samplesOf, type Utilisation, utilisationOf } from "./timeline.ts";
import { STAGES } from "./workflow.ts";

type Options = { scale: number; log(line: string): void };

/** What parsl_elastic.py prints; times in seconds. */
type Printed = { began: number; ended: number; tasks: [number, number][]; blocks: [number, number][] };

const PROGRAM = fileURLToPath(new URL("parsl_elastic.py", import.meta.url));
/** Seconds of the paper: Parsl's default, and the shortest that lets blocks go at its next look. */
const IDLE = { as_it_comes: 120, at_once: 0 };

/** Fixed, elastic as it comes, and elastic with idle blocks let go at the next look. */
export async function runOnParsl({ scale, log }: Options): Promise<Record<string, number>> {
  const environment = await ensureEnvironment(log);
  const measure = async (fixed: boolean, idle: number) => onePool({ environment, scale, fixed, idle });
  log("Parsl, a fixed pool");
  const fixed = await measure(true, IDLE.as_it_comes);
  const numbers: Record<string, number> = {
    parsl_fixed_utilisation: fixed.utilisation,
    parsl_fixed_makespan_s: fixed.makespanMs / 1000,
  };
  for (const [name, idle] of Object.entries(IDLE)) {
    log(`Parsl, htex_auto_scale, max_idletime ${idle} s of the paper`);
    const { utilisation, makespanMs, blocksStarted } = await measure(false, idle);
    numbers[`parsl_${name}_utilisation`] = utilisation;
    numbers[`parsl_${name}_makespan_ratio`] = makespanMs / fixed.makespanMs;
    numbers[`parsl_${name}_blocks_started`] = blocksStarted;
  }
  return numbers;
}

async function onePool(options: { environment: string; scale: number; fixed: boolean; idle: number }) {
  const { environment, ...rest } = options;
  const directory = await mkdtemp(join(tmpdir(), "farcall-parsl-"));
  try {
    const stages = STAGES.map(({ count, seconds }) => [count, seconds]);
    const request = JSON.stringify({ ...rest, directory, stages, blocks: BLOCKS, workers: WORKERS_PER_BLOCK });
    const stdout = await run(join(environment, "bin", "python"), [PROGRAM, request], {
      env: activated(environment, directory),
      timeoutMs: 600_000 + 600_000 * options.scale,
    });
    return poolOf(JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Printed);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Parsl's times as this bench counts its own: from the first submission to the last result, blocks from their submission. */
export function poolOf({ began, ended, tasks, blocks }: Printed): Utilisation & { blocksStarted: number } {
  const makespanMs = (ended - began) * 1000;
  const within = (at: number) => Math.min(makespanMs, Math.max(0, (at - began) * 1000));
  const held = blocks
    .map(([asked, gone]) => ({ from: within(asked), to: within(gone) }))
    .filter(({ from, to }) => to > from);
  const samples = samplesOf(
    tasks.map(([startedAt, endedAt]) => ({
      submittedAt: within(startedAt),
      startedAt: within(startedAt),
      endedAt: within(endedAt),
    })),
    held.map(({ from, to }) => ({ askedAt: from, upAt: from, goneAt: to, workers: WORKERS_PER_BLOCK })),
  );
  return { ...utilisationOf(samples, makespanMs), blocksStarted: held.length };
}
