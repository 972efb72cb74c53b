/** What the agent has of its blocks, and what they need of it. */
import type { Heartbeat } from "../protocol/messages.ts";
import type { BlockFiles } from "./block-files.ts";
import type { BlockEnd } from "./block-steps.ts";
import type { Breaker } from "./breaker.ts";
import type { Settings } from "./config.ts";
import type { Journal } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Manager } from "./manager.ts";
import type { Managers } from "./managers.ts";
import type { Provider } from "./provider/port.ts";
import type { Snapshot } from "./scaler.ts";
import type { TellWhy } from "./work-ends.ts";

export type BlocksOptions = {
  settings: Pick<Settings, "policy" | "node" | "provider">;
  provider: Provider;
  files: BlockFiles;
  journal: Journal;
  managers: Pick<Managers, "of">;
  breaker: Breaker;
  log: Log;
  /** tasks that want slots, by resource class */
  demand(): Record<string, number>;
  /** how long they run */
  runs?(): NonNullable<Snapshot["runs"]>;
  /** its end is proven: what its managers had is lost, or was taken, which is nobody's fault. Why is to be asked for what it returns */
  onGone(block: string, end: BlockEnd): TellWhy | undefined;
  /** there is something new to tell of them */
  onChange(): void;
};

export type Blocks = {
  /** Looks at demand and blocks, and acts; cheap enough for every change. */
  evaluate(): void;
  /** Asks the provider now. */
  check(): void;
  secretOf(block: string): string | undefined;
  /** A manager of the block has connected. */
  connected(block: string): void;
  /** How a block ends that its scheduler has lost; undefined for one that it has not. */
  lostEnd(block: string): BlockEnd | undefined;
  /** A manager has run its first task. */
  worked(manager: Manager): void;
  /** Whether managers on this node are let go. */
  isExcluded(node: string): boolean;
  /** A manager has said that it cannot work on its node. */
  broken(manager: Manager, reason: string): void;
  /** A manager came up on a node that is excluded. */
  unwelcome(manager: Manager): void;
  /** Starts nothing any more and lets the blocks end. */
  close(options: { force: boolean }): void;
  /** Takes `close` back. */
  reopen(): void;
  summary(): Heartbeat["summary"]["blocks"];
  /** Nodes that new blocks keep away from, and where no work is placed. */
  excludedNodes(): NonNullable<Heartbeat["summary"]["excludedNodes"]>;
  readonly count: number;
  readonly trouble: string | null;
  /** The failures in a row, from the first one on. */
  failing(): Heartbeat["summary"]["failing"];
  /** Resolves when no block is left. */
  ended(): Promise<void>;
  stop(): void;
};
