/**
 * The store alone, through its threads. `match`: batches are submitted, leased in the same transaction and reported, several
 * at a time; `queue`: all are queued first, then popped and reported. Each size runs in a process of its own, so that the
 * memory shown is its own.
 *
 *     node bench/store.ts [--tasks 100000,1000000] [--batch 512] [--bytes 90] [--way match|queue] [--json]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Handout, OpenPull, Store } from "../gateway/store/port.ts";
import { openSqliteStore } from "../gateway/store/sqlite/open.ts";
import type { ResultEntry, SubmitHeader } from "../protocol/batch.ts";
import { newId } from "../protocol/ids.ts";

const RESULT = new TextEncoder().encode("144");
const IN_FLIGHT = 8;
const DAY_MS = 86_400_000;

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "100000,1000000" },
    batch: { type: "string", default: "512" },
    bytes: { type: "string", default: "90" },
    way: { type: "string", default: "match" },
    dir: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false },
    /** measures in this process; how the bench calls itself */
    here: { type: "boolean", default: false },
  },
});
const batch = Number(values.batch);
const argumentBytes = Number(values.bytes);
const sizes = values.tasks.split(",").map(Number);

if (values.here) console.log(JSON.stringify(await measure(sizes[0] as number)));
else show(Object.assign({}, ...sizes.map(inOwnProcess)));

function show(rates: Record<string, number>): void {
  if (values.json) console.log(JSON.stringify(rates));
  else console.table(rates);
}

function inOwnProcess(tasks: number): Record<string, number> {
  const { batch, bytes, way, dir } = values;
  const options = ["--tasks", String(tasks), "--batch", batch, "--bytes", bytes, "--way", way, "--dir", dir, "--here"];
  // By itself V8 lets the young generation of the main thread grow to 48 MB and more.
  const node = ["--max-semi-space-size=4", import.meta.filename];
  const result = execFileSync(process.execPath, [...node, ...options], { encoding: "utf8" });
  const rates = JSON.parse(result) as Record<string, number>;
  return Object.fromEntries(Object.entries(rates).map(([name, value]) => [`${tasks} ${name}`, value]));
}

async function measure(total: number): Promise<Record<string, number>> {
  const dir = mkdtempSync(join(values.dir, "farcall-bench-"));
  const roomy = { tasks: 10_000_000, bytes: 2 ** 40 };
  const store = await openSqliteStore({
    file: join(dir, "farcall.db"),
    durability: "disk",
    limits: { perOwner: roomy, perEndpoint: roomy, retentionMs: 14 * DAY_MS, minFreeBytes: 0 },
  });
  try {
    return await run(store, total);
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

async function run(store: Store, total: number): Promise<Record<string, number>> {
  const { header, pull } = await prepare(store);
  const peak = watchMemory();
  const cpu = process.cpuUsage();
  const rates: Record<string, number> = {};
  const timed = async (name: string, step: () => Promise<void>) => {
    const from = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, step));
    rates[name] = Math.round((total * 1000) / (performance.now() - from));
  };
  if (values.way === "queue") {
    const none = { ...pull, room: {} };
    await timed("queued_per_s", submitter(store, { header, pull: none, total }));
    await timed("drained_per_s", drainer(store, { pull, total }));
  } else await timed("tasks_per_s", submitter(store, { header, pull, total }));
  const used = process.cpuUsage(cpu);
  return {
    ...rates,
    cpu_us_per_task: Number(((used.user + used.system) / total).toFixed(2)),
    peak_rss_mb: peak(),
    ...(await latency(store, header, pull)),
  };
}

type Work = { pull: OpenPull; total: number };

/** Submits until `total` are in, and reports what a submit leased. */
function submitter(store: Store, { header, pull, total }: Work & { header: (n?: number) => SubmitHeader }) {
  const body = new Uint8Array(batch * argumentBytes).fill(0x20);
  let left = total;
  return async () => {
    while (left > 0) {
      left -= batch;
      const { handouts } = await store.submit({ owner: "bench", header: header(), body, pulls: [pull] });
      for (const handout of handouts) await finish(store, handout, pull);
    }
  };
}

/** Pops and reports until `total` are done. */
function drainer(store: Store, { pull, total }: Work) {
  let left = total;
  return async () => {
    while (left > 0) {
      const { handouts } = await store.pop([pull]);
      if (handouts.length === 0) return;
      for (const handout of handouts) {
        left -= handout.tasks.length;
        await finish(store, handout, pull);
      }
    }
  };
}

async function finish(store: Store, { tasks }: Handout, pull: OpenPull): Promise<void> {
  const results = tasks.map(({ id, lease }) => success(id, lease));
  const body = new Uint8Array(results.length * RESULT.length);
  for (let i = 0; i < results.length; i++) body.set(RESULT, i * RESULT.length);
  await store.report({ ...pull, results, starts: [], body, pulls: [] });
}

/** Samples the resident memory; the function returned tells its peak in MB. */
function watchMemory(): () => number {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  return () => {
    clearInterval(timer);
    return Math.round(peak / 1e6);
  };
}

async function prepare(store: Store): Promise<{ header: (n?: number) => SubmitHeader; pull: OpenPull }> {
  const endpoint = newId();
  await store.putEndpoint({ id: endpoint, name: "bench", owner: "bench", description: "" });
  const id = "a".repeat(64);
  const definition = { runtime: "javascript", code: "b".repeat(64), entry: "default" } as const;
  await store.putFunction({ owner: "bench", name: "noop", id, definition, code: RESULT });
  const hello = { version: "0", host: "bench", bootId: "0", pid: 1, nonce: "0", takeOver: false, orphanTimeoutMs: 1 };
  const { epoch } = await store.startEpoch(endpoint, hello, { previousAnswers: false });
  await store.openPull(endpoint, epoch, 1);
  const header = (n = batch): SubmitHeader => ({
    specs: [{ function: id, endpoint }],
    tasks: Array.from({ length: n }, () => ({ id: newId(), length: argumentBytes })),
  });
  return { header, pull: { endpoint, epoch, pull: 1, room: { "1c0m0g": { tasks: batch, bytes: 2 ** 30 } } } };
}

/** One task at a time: a submit's commit and a report's commit. */
async function latency(store: Store, header: (n: number) => SubmitHeader, pull: OpenPull) {
  const times: number[] = [];
  const body = new Uint8Array(argumentBytes).fill(0x20);
  for (let i = 0; i < 1000; i++) {
    const from = performance.now();
    const one = header(1);
    await store.submit({ owner: "bench", header: one, body, pulls: [pull] });
    const entry = success(one.tasks[0]?.id as string, 1);
    await store.report({ ...pull, results: [entry], starts: [], body: RESULT, pulls: [] });
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  return { pair_p50_ms: Number(times[500]?.toFixed(2)), pair_p99_ms: Number(times[990]?.toFixed(2)) };
}

function success(id: string, lease: number): ResultEntry {
  return { id, lease, outcome: "succeeded", length: RESULT.length, ranMs: 1, block: "block-1", worker: "worker-1" };
}
