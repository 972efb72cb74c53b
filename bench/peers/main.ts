/** `npm run bench:peers`: Farcall, Parsl and Dask on this machine, the same work one after the other, one table. */
import { parseArgs } from "node:util";
import { withBench } from "../bench.ts";
import { round } from "../measure/statistics.ts";
import { alignColumns, shown } from "../report.ts";
import { PAYLOAD_BYTES } from "../workloads/payload.ts";
import { ensureEnvironment } from "./environment.ts";
import { functionsOf, runOurs } from "./ours.ts";
import { type PeerResult, runPeer, type Sizes } from "./peer.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const sizes: Sizes = values.quick
  ? { workers: 2, tasks: 2_000, sequential: 100, payloads: 200, payloadBytes: PAYLOAD_BYTES }
  : { workers: 2, tasks: 20_000, sequential: 1_000, payloads: 2_000, payloadBytes: PAYLOAD_BYTES };

const aborter = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => aborter.abort());
const { signal } = aborter;
const log = (line: string) => process.stderr.write(`${line}\n`);

const environment = await ensureEnvironment(log);
/** by the prefix of its keys */
const results: Record<string, { title: string; result: PeerResult }> = {};

log("Parsl HTEX, as it comes");
results.parsl = { title: "Parsl HTEX", result: await runPeer("parsl_peer.py", { environment, sizes, signal }) };
log("Parsl HTEX, tuned: prefetch, no encryption, no log files");
results.parsl_tuned = {
  title: "Parsl HTEX, tuned",
  result: await runPeer("parsl_peer.py", { environment, sizes, signal, tuned: true }),
};
log("Dask distributed");
results.dask = { title: "Dask distributed", result: await runPeer("dask_peer.py", { environment, sizes, signal }) };
await withBench({ quick: values.quick, durability: "disk", signal, log }, (bench) =>
  bench.withFarcall(async ({ farcall }) => {
    for (const language of ["javascript", "python"] as const) {
      log(`Farcall, ${language}`);
      const title = language === "python" ? "Farcall, Python" : "Farcall, JavaScript";
      const prefix = language === "python" ? "farcall_python" : "farcall";
      results[prefix] = { title, result: await runOurs(functionsOf(farcall, language), sizes) };
    }
  }),
);

if (values.json) console.log(JSON.stringify(flat(), null, 2));
else console.log(`\n${table()}\n\n${notes()}`);

/** One flat object; Farcall's JavaScript numbers also under the names that `npm run bench` gives them. */
function flat(): Record<string, number> {
  const all = Object.entries(results).flatMap(([prefix, { result }]) =>
    Object.entries(result).map(([key, value]) => [`${prefix}_${key}`, round(value)] as const),
  );
  const flattened = Object.fromEntries(all);
  return {
    ...flattened,
    noop_tasks_per_s: flattened.farcall_tasks_per_s ?? Number.NaN,
    seq_p50_ms: flattened.farcall_p50_ms ?? Number.NaN,
    python_tasks_per_s: flattened.farcall_python_tasks_per_s ?? Number.NaN,
    payload100k_tasks_per_s: flattened.farcall_payload100k_tasks_per_s ?? Number.NaN,
    tasks: sizes.tasks,
    workers: sizes.workers,
  };
}

function table(): string {
  const head = ["", "no-ops/s", "one call p50 ms", "p99 ms", "100 KB/s"];
  const rows = Object.values(results).map(({ title, result }) => [
    title,
    shown(result.tasks_per_s),
    shown(result.p50_ms),
    shown(result.p99_ms),
    shown(result.payload100k_tasks_per_s),
  ]);
  return alignColumns([head, ...rows], [1, 2, 3, 4]);
}

function notes(): string {
  const ratio = (a: string, b: string) =>
    shown((results[a]?.result.tasks_per_s ?? 0) / (results[b]?.result.tasks_per_s ?? 1));
  return [
    `Bags of ${sizes.tasks.toLocaleString("en")} no-ops, two workers each, one after the other on this machine.`,
    `Farcall is ${ratio("farcall", "parsl")} times Parsl as it comes, ${ratio("farcall", "parsl_tuned")} times Parsl tuned, ${ratio("farcall", "dask")} times Dask.`,
    "Farcall's calls go over HTTP and are on disk before they are acknowledged; the peers keep theirs in memory.",
  ].join("\n");
}
