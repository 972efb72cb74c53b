/** What the machine gives without Farcall: the parts of one call, each alone. */
import { rawCommitMs } from "../raw/commit.ts";
import { rawHttpMs } from "../raw/http.ts";
import { rawIpcMs } from "../raw/ipc.ts";
import { rawNatsRequestMs } from "../raw/nats.ts";
import type { Workload } from "../workload.ts";

export const raw: Workload = {
  name: "raw",
  about: "a SQLite commit with fsync, an HTTP request, a NATS request and a process round trip, each alone",
  async run({ dir, natsServer }) {
    const commit = await rawCommitMs(dir);
    const http = await rawHttpMs();
    const nats = await rawNatsRequestMs(natsServer);
    const ipc = await rawIpcMs();
    return {
      raw_commit_ms: commit,
      raw_http_ms: http,
      raw_nats_request_ms: nats,
      raw_ipc_ms: ipc,
      // a call is two commits, a request, two messages (which one NATS request is) and a round trip
      raw_sum_ms: 2 * commit + http + nats + ipc,
    };
  },
};
