/** The traces replayed, as one table, and drawn. */
import { alignColumns } from "../report.ts";
import { drawTimeline } from "./draw.ts";
import type { Simulation } from "./simulate.ts";
import { replay, traces } from "./traces.ts";

const RULES = {
  before: "nothing known, spread",
  after: "as it is",
  adapted: "as it is, minIdleTimeMs: 0",
} as const;

/** Every trace with and without the rules: a table in Markdown, and its numbers. */
export function comparison(): { table: string; numbers: Record<string, number>[] } {
  const rows = [["trace", "rules", "utilisation", "makespan", "mean wait", "blocks"]];
  const numbers: Record<string, number>[] = [];
  for (const trace of traces()) {
    const fixed = replay(trace, "fixed");
    for (const rules of Object.keys(RULES) as (keyof typeof RULES)[]) {
      const run = replay(trace, rules);
      const ratio = run.makespanMs / fixed.makespanMs;
      rows.push([`${trace.name}`, RULES[rules], percent(run), ratio.toFixed(3), wait(run), String(run.blocksStarted)]);
      numbers.push({
        ...({ trace: trace.name, rules } as unknown as Record<string, number>),
        utilisation: run.utilisation,
        makespan_ratio: ratio,
        mean_wait_s: run.meanWaitMs / 1000,
        blocks_started: run.blocksStarted,
      });
    }
    rows.push([`${trace.name}`, "fixed pool", percent(fixed), "1", wait(fixed), String(trace.maxBlocks)]);
  }
  const [head, ...body] = alignColumns(rows, [2, 3, 4, 5]).split("\n");
  const what = traces().map(({ name, what }) => `${name}: ${what}`);
  return { table: [head, ...body, "", ...what].join("\n"), numbers };
}

/** The picture of one trace. */
export function drawTrace(name: string): string {
  const trace = traces().find((one) => one.name === name);
  if (!trace)
    throw new TypeError(
      `--trace is one of ${traces()
        .map((one) => one.name)
        .join(", ")}`,
    );
  const adapted = replay(trace, "adapted");
  return drawTimeline(adapted.samples, `Model, ${trace.name}: ${percent(adapted)} of the held worker time is used`);
}

function percent({ utilisation }: Simulation): string {
  return `${(utilisation * 100).toFixed(1)} %`;
}

function wait({ meanWaitMs }: Simulation): string {
  return `${(meanWaitMs / 1000).toFixed(1)} s`;
}
