/** Live output of tasks, subscribed to only while somebody watches (PROTOCOL.md rule 16). */
import { decodeFrame } from "../../protocol/frame.ts";
import type { LogChunk } from "../../protocol/messages.ts";
import type { Dispatcher } from "../ports.ts";
import type { StoredEvent } from "../store/port.ts";
import type { Wire } from "../wire/wire.ts";
import type { Controls } from "./control.ts";
import type { Refusals } from "./refusals.ts";

export type Logs = {
  watch: Dispatcher["watchLog"];
  /** The endpoint has a new agent, or its agent is back: it may not know who watches. */
  remind(endpoint: string): void;
  /** A watched task began to run: when it was told, the agent may not have had it. */
  started(events: readonly StoredEvent[]): void;
};

type OnChunk = (chunk: LogChunk, bytes: Uint8Array) => void;
type Watched = { endpoint: string; task: string; watchers: Set<OnChunk>; unsubscribe: () => void };

/** An agent that is silent for longer is reminded when it is back. */
const ASK_WITHIN_MS = 30_000;

/** Makes the watches of one gateway. */
export function createLogs({ wire, controls, refusals }: { wire: Wire; controls: Controls; refusals: Refusals }): Logs {
  const watched = new Map<string, Watched>();

  function tell({ endpoint, task }: Watched, watch: boolean): void {
    // A repetition must not undo what was said after it.
    const unless = () => watched.has(task) !== watch;
    void controls.ask(endpoint, { kind: "watch", task, watch }, { epoch: 0, withinMs: ASK_WITHIN_MS, unless });
  }

  function receive(entry: Watched, bytes: Uint8Array): void {
    try {
      const { header, body } = decodeFrame(bytes);
      const chunk = header as LogChunk | null;
      if (chunk?.task !== entry.task || (chunk.stream !== "stdout" && chunk.stream !== "stderr")) {
        throw new TypeError("not a chunk of this task");
      }
      for (const onChunk of entry.watchers) onChunk(chunk, body);
    } catch (error) {
      refusals.refuse(entry.endpoint, `log: ${String(error)}`);
    }
  }

  function begin(endpoint: string, task: string): Watched {
    const entry: Watched = { endpoint, task, watchers: new Set(), unsubscribe: () => {} };
    entry.unsubscribe = wire.logs(endpoint, task, (bytes) => receive(entry, bytes));
    watched.set(task, entry);
    tell(entry, true);
    return entry;
  }

  return {
    watch(endpoint, task, { signal, onChunk }) {
      if (signal.aborted) return;
      const entry = watched.get(task) ?? begin(endpoint, task);
      entry.watchers.add(onChunk);
      const end = () => {
        entry.watchers.delete(onChunk);
        if (entry.watchers.size > 0) return;
        watched.delete(task);
        entry.unsubscribe();
        tell(entry, false);
      };
      signal.addEventListener("abort", end, { once: true });
    },
    remind(endpoint) {
      for (const entry of watched.values()) if (entry.endpoint === endpoint) tell(entry, true);
    },
    started(events) {
      if (watched.size === 0) return;
      for (const { id, state } of events) {
        const entry = state === "running" ? watched.get(id) : undefined;
        if (entry) tell(entry, true);
      }
    },
  };
}
