/** Counts what the gateway does, and writes it in Prometheus' text format. */
import type { OperationName } from "../protocol/operations.ts";
import { BOUNDS_MS, createHistogram, type Histogram, type HistogramSnapshot } from "./histogram.ts";
import type { WireCounts } from "./ports.ts";
import type { StoreStats } from "./store/port.ts";

/** Counts requests and writes the exposition. */
export type Metrics = {
  /** Counts an answer, `ms` after its request came; of a stream, its beginning. */
  request(operation: OperationName, status: number, ms: number): void;
  /** The whole exposition: what was counted here beside the facts that are asked for now. */
  text(facts: { stats: StoreStats; eventStreams: number; natsConnected: boolean; wire: WireCounts }): string;
};

const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/** Makes the metrics of one gateway. */
export function createMetrics(): Metrics {
  const requests = new Map<OperationName, { counts: number[]; durations: Histogram }>();
  return {
    request(operation, status, ms) {
      let seen = requests.get(operation);
      if (!seen) {
        seen = { counts: [0, 0, 0, 0, 0], durations: createHistogram() };
        requests.set(operation, seen);
      }
      const { counts, durations } = seen;
      durations.add(ms);
      const place = Math.min(4, Math.max(0, Math.floor(status / 100) - 1));
      counts[place] = (counts[place] as number) + 1;
    },
    text({ stats, eventStreams, natsConnected, wire }) {
      const memory = process.memoryUsage();
      return [
        metric("farcall_tasks", "gauge", "Tasks by state.", labelled("state", stats.byState)),
        metric("farcall_store_commits_total", "counter", "Commits of the database.", [["", stats.commits]]),
        metric("farcall_store_calls_per_commit", "gauge", "Calls that shared one commit, on average.", [
          ["", stats.callsPerCommit],
        ]),
        metric("farcall_store_wal_bytes", "gauge", "Size of the write-ahead log.", [["", stats.walBytes]]),
        metric("farcall_store_free_bytes", "gauge", "Free space on the database's disk.", [["", stats.freeBytes]]),
        metric("farcall_store_full", "gauge", "1 while submits are refused for want of space.", [
          ["", Number(stats.full)],
        ]),
        metric("farcall_event_streams", "gauge", "Open event streams.", [["", eventStreams]]),
        metric("farcall_nats_connected", "gauge", "1 while NATS is connected.", [["", Number(natsConnected)]]),
        metric("farcall_pulls_open", "gauge", "Agents that this gateway hands tasks to.", [["", wire.openPulls]]),
        metric("farcall_batches_unreceipted", "gauge", "Batches of tasks that agents have not receipted.", [
          ["", wire.unreceiptedBatches],
        ]),
        metric("farcall_batches_unreceipted_bytes", "gauge", "Bytes of batches not receipted.", [
          ["", wire.unreceiptedBytes],
        ]),
        metric("farcall_wire_refused_total", "counter", "Messages of agents that were malformed or forged.", [
          ["", wire.refused],
        ]),
        metric(
          "farcall_http_requests_total",
          "counter",
          "Requests by operation and class of status.",
          requestLines(requests),
        ),
        histograms(
          "farcall_http_request_seconds",
          "Time to the answer; of a stream, to its beginning.",
          Array.from(requests, ([operation, { durations }]) => [`operation="${operation}"`, durations.snapshot()]),
        ),
        histograms(
          "farcall_task_phase_seconds",
          "Time that tasks were queued, then handed out but not started, then running.",
          Object.entries(stats.phases).map(([phase, snapshot]) => [`phase="${phase}"`, snapshot]),
        ),
        metric("process_resident_memory_bytes", "gauge", "Resident memory.", [["", memory.rss]]),
        metric("process_heap_used_bytes", "gauge", "JavaScript heap in use.", [["", memory.heapUsed]]),
        metric("process_uptime_seconds", "counter", "Seconds since the start.", [["", Math.round(process.uptime())]]),
      ].join("");
    },
  };
}

function requestLines(requests: ReadonlyMap<OperationName, { counts: number[] }>): [string, number][] {
  const lines: [string, number][] = [];
  for (const [operation, { counts }] of requests) {
    counts.forEach((count, place) => {
      if (count > 0) lines.push([`{operation="${operation}",status="${CLASSES[place]}"}`, count]);
    });
  }
  return lines;
}

function histograms(name: string, help: string, series: [string, HistogramSnapshot][]): string {
  const lines = series.map(([label, { buckets, sumMs }]) => {
    let total = 0;
    const cumulated = buckets.map((count, at) => {
      total += count;
      const bound = BOUNDS_MS[at];
      return `${name}_bucket{${label},le="${bound === undefined ? "+Inf" : bound / 1000}"} ${total}\n`;
    });
    return `${cumulated.join("")}${name}_sum{${label}} ${sumMs / 1000}\n${name}_count{${label}} ${total}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${lines.join("")}`;
}

function labelled(label: string, values: Partial<Record<string, number>>): [string, number][] {
  return Object.entries(values).map(([value, count]) => [`{${label}="${value}"}`, count ?? 0]);
}

function metric(name: string, type: string, help: string, values: [string, number][]): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${values.map(([labels, value]) => `${name}${labels} ${value}\n`).join("")}`;
}
