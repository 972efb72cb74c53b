/**
 * The store alone, through its threads: batches are submitted, leased in the same transaction and reported, several at a time.
 *
 *     node bench/store.ts [--tasks 100000,1000000] [--batch 512] [--json]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { OpenPull, Store } from "../gateway/store/port.ts";
import { openSqliteStore } from "../gateway/store/sqlite/open.ts";
import type { ResultEntry, SubmitHeader } from "../protocol/batch.ts";
import { newId } from "../protocol/ids.ts";

const ARGUMENT_BYTES = 90;
const RESULT = new TextEncoder().encode("144");
const IN_FLIGHT = 8;
const DAY_MS = 86_400_000;

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "100000,1000000" },
    batch: { type: "string", default: "512" },
    dir: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false },
  },
});
const batch = Number(values.batch);
const rates: Record<string, number> = {};
for (const tasks of values.tasks.split(",").map(Number)) {
  const result = await measure(tasks);
  for (const [name, value] of Object.entries(result)) rates[`store_${tasks}_${name}`] = value;
}
if (values.json) console.log(JSON.stringify(rates));
else console.table(rates);

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
  const body = new Uint8Array(batch * ARGUMENT_BYTES).fill(0x20);
  const results = new Uint8Array(batch * RESULT.length);
  for (let i = 0; i < batch; i++) results.set(RESULT, i * RESULT.length);
  let left = total;
  let peakRss = 0;
  const cpu = process.cpuUsage();
  const from = performance.now();
  const loop = async () => {
    while (left > 0) {
      left -= batch;
      const { handouts } = await store.submit({ owner: "bench", header: header(), body, pulls: [pull] });
      const entries = handouts.flatMap(({ tasks }) => tasks.map(({ id, lease }) => success(id, lease)));
      await store.report({ ...pull, results: entries, starts: [], body: results, pulls: [] });
      peakRss = Math.max(peakRss, process.memoryUsage.rss());
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
  const seconds = (performance.now() - from) / 1000;
  const used = process.cpuUsage(cpu);
  const single = await latency(store, header, pull);
  return {
    tasks_per_s: Math.round(total / seconds),
    cpu_us_per_task: Number(((used.user + used.system) / total).toFixed(2)),
    peak_rss_mb: Math.round(peakRss / 1e6),
    ...single,
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
    tasks: Array.from({ length: n }, () => ({ id: newId(), length: ARGUMENT_BYTES })),
  });
  return { header, pull: { endpoint, epoch, pull: 1, room: { "1c0m0g": { tasks: batch, bytes: 2 ** 30 } } } };
}

/** One task at a time: a submit's commit and a report's commit. */
async function latency(store: Store, header: (n: number) => SubmitHeader, pull: OpenPull) {
  const times: number[] = [];
  const body = new Uint8Array(ARGUMENT_BYTES).fill(0x20);
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
