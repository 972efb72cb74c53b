/** The seams inside the gateway: routes call use cases, use cases call the dispatcher and the store, both tell the event hub. */
import type { Heartbeat, LogChunk } from "../protocol/messages.ts";
import type { Effects, StoredEvent, SubmitInput, SubmitOutput } from "./store/port.ts";

/** Fans committed events out to the streams of this gateway. Never waits: a slow stream is dropped and resumes by id. */
export type EventHub = {
  /** In commit order. Events of inline results carry their bytes. */
  publish(events: readonly StoredEvent[]): void;
};

/** What is known of a connected agent. */
export type AgentStatus = {
  online: boolean;
  lastSeenAt: number | null;
  summary: Heartbeat["summary"] | null;
};

/** What stands between this gateway and its agents now; `refused` counts messages that were malformed or forged. */
export type WireCounts = { openPulls: number; unreceiptedBatches: number; unreceiptedBytes: number; refused: number };

/** Moves tasks between the store and the agents over NATS. */
export type Dispatcher = {
  /** Submits with synchronous match: what is leased in the transaction is sent at once. */
  submit(input: Omit<SubmitInput, "pulls">): Promise<SubmitOutput>;
  /** Carries out what a transaction made necessary: events to the hub, kills to agents, pops for newly queued tasks. */
  apply(effects: Effects): void;
  status(endpoint: string): AgentStatus;
  /** Tells the agent to drain, or not; resolves when it answered or is offline. */
  drain(endpoint: string, drain: boolean): Promise<void>;
  /** Live output of a task while `signal` is open (PROTOCOL.md rule 16). */
  watchLog(
    endpoint: string,
    task: string,
    options: { signal: AbortSignal; onChunk: (chunk: LogChunk, bytes: Uint8Array) => void },
  ): void;
  /** Whether NATS is connected now. */
  connected(): boolean;
  /** For metrics. */
  counts(): WireCounts;
  stop(): Promise<void>;
};
