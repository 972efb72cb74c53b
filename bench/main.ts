/** `npm run bench`: measures Farcall on this machine. Everything runs here, on the loopback interface. */
import { parseArgs } from "node:util";
import { withBench } from "./bench.ts";
import { round } from "./measure/statistics.ts";
import { reportTable } from "./report.ts";
import type { Measurements, Workload } from "./workload.ts";
import { firstResult } from "./workloads/first-result.ts";
import { idle } from "./workloads/idle.ts";
import { million } from "./workloads/million.ts";
import { noop } from "./workloads/noop.ts";
import { offline } from "./workloads/offline.ts";
import { payload } from "./workloads/payload.ts";
import { python } from "./workloads/python.ts";
import { sequential } from "./workloads/sequential.ts";

const WORKLOADS: readonly Workload[] = [sequential, noop, python, payload, firstResult, million, offline, idle];

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    durability: { type: "string", default: "disk" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(help());
} else {
  await main();
}

async function main(): Promise<void> {
  const chosen = chooseWorkloads(values.only);
  const { durability } = values;
  if (durability !== "disk" && durability !== "fast") throw new TypeError("--durability is disk or fast");
  const aborter = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => aborter.abort());
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const options = { quick: values.quick, durability, signal: aborter.signal, log } as const;
  const measurements: Measurements = { durability, ...(values.quick ? { quick: "a tenth of the work" } : {}) };
  await withBench(options, async (bench) => {
    for (const workload of chosen) {
      if (aborter.signal.aborted) break;
      log(`${workload.name}: ${workload.about}`);
      const found = await workload.run(bench);
      Object.assign(measurements, found);
      if (!values.json) log(`${reportTable(found).replace(/^/gm, "  ")}\n`);
    }
  });
  if (values.json) console.log(JSON.stringify(rounded(measurements), null, 2));
  else console.log(`\n${reportTable(measurements)}`);
}

function chooseWorkloads(only: string | undefined): readonly Workload[] {
  if (only === undefined) return WORKLOADS;
  return only.split(",").map((name) => {
    const found = WORKLOADS.find((workload) => workload.name === name);
    if (!found) throw new TypeError(`--only ${name}: expected some of ${WORKLOADS.map((w) => w.name).join(", ")}`);
    return found;
  });
}

function rounded(measurements: Measurements): Measurements {
  return Object.fromEntries(
    Object.entries(measurements).map(([key, value]) => [key, typeof value === "number" ? round(value) : value]),
  );
}

function help(): string {
  const lines = WORKLOADS.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`);
  return `npm run bench -- [--json] [--quick] [--only a,b] [--durability disk|fast]\n\n${lines.join("\n")}`;
}
