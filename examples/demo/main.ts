/**
 * `npm run demo`: starts a nats-server, a gateway and a laptop endpoint in a temporary directory, runs three jobs on them,
 * stops everything and removes the directory. `--json` prints the results as JSON.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { type Stack, startStack } from "../../deploy/stack.ts";
import { Farcall } from "../../sdk/index.ts";
import type { Job, Outcome } from "./jobs/job.ts";
import { pi } from "./jobs/pi.ts";
import { pipeline } from "./jobs/pipeline.ts";
import { wordCount } from "./jobs/word-count.ts";
import { createProgressBar } from "./progress.ts";

type Finished = Omit<Outcome, "shown"> & { job: string; tasks: number; seconds: number };

const JOBS: readonly Job[] = [wordCount, pi, pipeline];
const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const say = (line: string) => {
  if (!values.json) console.log(line);
};

const aborter = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => aborter.abort(new Error(signal)));

const finished = await demo().catch((error: unknown) => {
  if (!aborter.signal.aborted) throw error;
  process.stderr.write("interrupted\n");
  return [];
});
if (values.json) console.log(JSON.stringify({ ok: finished.every(({ ok }) => ok), jobs: finished }, null, 2));
process.exitCode = finished.length === JOBS.length && finished.every(({ ok }) => ok) ? 0 : 1;

async function demo(): Promise<Finished[]> {
  const started = performance.now();
  const natsServer = await ensureNatsServer({ log: (line) => process.stderr.write(`${line}\n`) });
  const dir = mkdtempSync(join(tmpdir(), "farcall-demo-"));
  let stack: Stack | undefined;
  try {
    stack = await startStack({ dir, natsServer: natsServer.path, endpoints: [{ name: "laptop" }] });
    say(
      `Farcall: gateway at ${stack.url}, endpoint laptop, nats-server ${natsServer.version}; up in ${since(started)} s\n`,
    );
    const client = { url: stack.url, token: stack.token, endpoint: "laptop", signal: aborter.signal };
    await using farcall = new Farcall(client);
    const results: Finished[] = [];
    for (const job of JOBS) results.push(await runJob(job, farcall));
    return results;
  } finally {
    await stack?.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    say(`Everything is stopped, ${dir} is removed. ${since(started)} s in all.`);
  }
}

async function runJob(job: Job, farcall: Farcall): Promise<Finished> {
  const bar = createProgressBar(job.title, process.stderr);
  const started = performance.now();
  try {
    const { result, ok, shown } = await job.run(farcall, bar);
    const seconds = Number(since(started));
    bar.clear();
    say(`${job.title}\n  ${bar.tasks()} tasks in ${seconds} s: ${ok ? "right" : "WRONG"}`);
    for (const line of shown) say(`  ${line}`);
    say("");
    return { job: job.name, tasks: bar.tasks(), seconds, result, ok };
  } finally {
    bar.clear();
  }
}

function since(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(2);
}
