/** One call after the other: how long one takes when nothing else goes on. The raw parts are measured right before. */
import { percentile, sample } from "../measure/statistics.ts";
import type { Workload } from "../workload.ts";
import { raw } from "./raw.ts";

export const sequential: Workload = {
  name: "sequential",
  about: "1,000 no-op calls, each made when the one before has returned; and its raw parts",
  async run(bench) {
    const parts = await raw.run(bench);
    return bench.withFarcall(async ({ farcall }) => {
      const nothing = farcall.function(() => null, { name: "noop" });
      const times = await sample(() => nothing(), { count: bench.quick ? 200 : 1_000, warmUp: 100 });
      const p50 = percentile(times, 0.5);
      return {
        ...parts,
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
