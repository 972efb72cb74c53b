/** One call after the other: how long one takes when nothing else goes on. The raw parts are measured right before. */
import { percentile, sample } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";
import { raw } from "./raw.ts";

/** Its raw parts are warmed up too; V8 compiles what five processes run within this many calls (docs/adr/0012-latency-of-one-call.md). */
const WARM_UP = 1_000;
/** What a client sees that has just come: nothing is compiled yet. */
const FIRST = 100;

export const sequential: Workload = {
  name: "sequential",
  about: "the first 100 and then 1,000 no-op calls, each made when the one before has returned; and its raw parts",
  async run(bench) {
    const parts = await raw.run(bench);
    return bench.withFarcall(async ({ farcall }) => {
      const nothing = farcall.function(() => null, { name: "noop" });
      const first = await sample(() => nothing(), { count: FIRST, warmUp: 0 });
      const [count, warmUp] = bench.quick ? [200, 100] : [1_000, WARM_UP - FIRST];
      const times = await sample(() => nothing(), { count, warmUp });
      const p50 = percentile(times, 0.5);
      return {
        ...parts,
        seq_first_p50_ms: percentile(first, 0.5),
        seq_p50_ms: p50,
        seq_p99_ms: percentile(times, 0.99),
        seq_ratio: p50 / Number(parts.raw_sum_ms),
        seq_to_commit_ratio: p50 / Number(parts.raw_commit_ms),
        seq_to_http_ratio: p50 / Number(parts.raw_http_ms),
        seq_to_nats_ratio: p50 / Number(parts.raw_nats_request_ms),
        seq_to_ipc_ratio: p50 / Number(parts.raw_ipc_ms),
      };
    });
  },
};
