/** Cancels tasks at the gateway: those of one tick in one request, and none before the gateway has it. */
import { MAX_BATCH_TASKS } from "../../protocol/task.ts";
import type { HttpClient } from "../http/client.ts";
import type { Call } from "./call.ts";

export type Canceller = {
  cancel(call: Call): void;
  /** To be told of every call that the gateway has accepted. */
  accepted(call: Call): void;
  /** Resolves when what was cancelled up to now is cancelled. */
  settled(): Promise<void>;
};

/** Makes a canceller over an HTTP client. A cancel that the gateway refuses is dropped: the task goes on. */
export function createCanceller(http: Pick<HttpClient, "call">): Canceller {
  const awaited = new Set<string>();
  const ids: string[] = [];
  let underWay: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    while (ids.length > 0) {
      const batch = ids.splice(0, MAX_BATCH_TASKS);
      await http.call("cancelTasks", { body: { ids: batch } }).catch(() => {});
    }
  }

  function enqueue(id: string): void {
    ids.push(id);
    if (ids.length === 1) underWay = underWay.then(flush);
  }

  return {
    cancel(call) {
      if (call.phase === "accepted") enqueue(call.id);
      // A cancel that overtakes its submit would find nothing.
      else if (call.phase === "sent") awaited.add(call.id);
    },
    accepted(call) {
      if (awaited.size > 0 && awaited.delete(call.id)) enqueue(call.id);
    },
    settled: () => underWay,
  };
}
