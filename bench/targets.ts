/** What each number should be on a quiet machine with two cores, to be shown beside what it is. */

export type Target = { label: string; unit: string; atLeast?: number; atMost?: number };

/** In the order of the table. A key that is not here is shown after these, as it is. */
export const TARGETS: Record<string, Target> = {
  noop_tasks_per_s: { label: "bag of no-ops", unit: "tasks/s", atLeast: 35_000 },
  seq_first_p50_ms: { label: "the first 100 calls, p50", unit: "ms" },
  seq_p50_ms: { label: "one call, p50", unit: "ms", atMost: 2.5 },
  seq_p99_ms: { label: "one call, p99", unit: "ms", atMost: 10 },
  seq_ratio: { label: "one call over its raw parts", unit: "times", atMost: 1.5 },
  seq_to_commit_ratio: { label: "… over one commit", unit: "times" },
  seq_to_http_ratio: { label: "… over one HTTP request", unit: "times" },
  seq_to_nats_ratio: { label: "… over one NATS request", unit: "times" },
  seq_to_ipc_ratio: { label: "… over one process round trip", unit: "times" },
  map_tasks_per_s: { label: "no-ops through map", unit: "tasks/s" },
  million_tasks_per_s: { label: "ten times as many", unit: "tasks/s" },
  million_ratio: { label: "… against the smaller number", unit: "times", atLeast: 0.8 },
  rss_gateway_mb: { label: "gateway's memory at its peak", unit: "MB", atMost: 300 },
  rss_agent_mb: { label: "agent's memory at its peak", unit: "MB", atMost: 300 },
  rss_nats_mb: { label: "nats-server's memory at its peak", unit: "MB", atMost: 300 },
  python_tasks_per_s: { label: "bag of Python no-ops", unit: "tasks/s", atLeast: 15_000 },
  payload100k_tasks_per_s: { label: "100 KB to the worker", unit: "tasks/s", atLeast: 1_000 },
  payload100k_echo_tasks_per_s: { label: "100 KB there and back", unit: "tasks/s" },
  first_result_s: { label: "from `farcall up` to a result", unit: "s", atMost: 3 },
  offline_submit_per_s: { label: "queued for an absent endpoint", unit: "tasks/s" },
  offline_drain_per_s: { label: "drained when it came", unit: "tasks/s" },
  offline_failed: { label: "of these, failed", unit: "tasks", atMost: 0 },
  offline_rss_gateway_mb: { label: "gateway's memory meanwhile", unit: "MB", atMost: 300 },
  offline_rss_agent_mb: { label: "agent's memory meanwhile", unit: "MB", atMost: 300 },
  offline_rss_nats_mb: { label: "nats-server's memory meanwhile", unit: "MB", atMost: 300 },
  idle_cpu_percent: { label: "idle endpoints, of one core", unit: "%", atMost: 5 },
  raw_commit_ms: { label: "raw: SQLite commit with fsync", unit: "ms" },
  raw_http_ms: { label: "raw: HTTP request to Hono", unit: "ms" },
  raw_nats_request_ms: { label: "raw: NATS request (two messages)", unit: "ms" },
  raw_ipc_ms: { label: "raw: process round trip", unit: "ms" },
  raw_sum_ms: { label: "raw: two commits and one of each", unit: "ms" },
};

/** Whether a value is as it should be; undefined when nothing is asked of it. */
export function verdict(target: Target | undefined, value: unknown): boolean | undefined {
  if (typeof value !== "number" || (target?.atLeast === undefined && target?.atMost === undefined)) return undefined;
  return value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
}
