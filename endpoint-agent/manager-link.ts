/** The port between an agent and its managers. One adapter carries frames over WebSockets; another may over NATS. */
import type { AgentToManager, ManagerToAgent } from "../protocol/manager-frames.ts";
import type { ManagerDial } from "./manager-config.ts";

/** A connection to one manager. */
export type ManagerLink = {
  /** Sends one frame; never waits. */
  send(frame: AgentToManager, chunks?: readonly Uint8Array[]): void;
  /** Resolves when less than `bytes` wait to be sent, or the link is closed. */
  belowBuffered(bytes: number): Promise<void>;
  /** Takes nothing more from the manager until `resume`. */
  pause(): void;
  resume(): void;
  /** Closes after what was sent so far. */
  close(): void;
  readonly open: boolean;
};

/** What the agent does with a connection. */
export type ManagerLinkHandlers = {
  frame(frame: ManagerToAgent, body: Uint8Array): void;
  closed(): void;
};

/** Where managers dial in. */
export type ManagerListener = {
  readonly dial: ManagerDial;
  close(): Promise<void>;
};
