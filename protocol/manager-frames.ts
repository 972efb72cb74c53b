/**
 * The frames between an agent and a manager (port ManagerLink; over a WebSocket one message is one frame). docs/frames.md
 * specifies them for managers in other languages. A manager dials its agent, says `hello`, and is either welcomed or told to
 * go away. Hand-outs and results are those of batch.ts, unchanged.
 */
import type { LeaseEntry, LeaseSpec, ResultEntry, StartEntry } from "./batch.ts";
import type { FunctionDefinition } from "./function.ts";
import type { HeldLease } from "./messages.ts";

export const MANAGER_PROTOCOL = 1;

export type ManagerToAgent =
  | {
      kind: "hello";
      protocol: number;
      /** the block's secret, from its 0600 file */
      secret: string;
      block: string;
      node: number;
      /** drawn by the manager at its start; a second incarnation has another one and fences the first */
      nonce: string;
      host: string;
      bootId: string;
      pid: number;
      /** kernel start time of the pid, so that a reused pid is not mistaken for it */
      startTime: string;
      /** `nodes`: it runs beside so many nodes, on which it starts commands through the site's launcher, and nothing else */
      capacity: { cores: number; memoryMb: number; gpus: number; nodes?: number | undefined };
      /** ms until the block's walltime ends; null when it has none */
      remainingMs: number | null;
      /** what it holds, after a reconnect: unfinished leases; results follow as `results` */
      holds: HeldLease[];
      /** the hosts of those that run on several nodes, by task */
      spread?: Record<string, string[]>;
    }
  /**
   * every 2 s, and answered: the answer carries what remains of the agent's deadline. `draining`: it starts nothing more,
   * as its block's end is near; said at once when that begins
   */
  | { kind: "beat"; sentAt: number; busy: number; workers: number; rssMb: number; draining?: true }
  /** body: the results' bytes. Kept by the manager until `taken` names the message */
  | { kind: "results"; message: number; results: ResultEntry[]; starts: StartEntry[] }
  /** leases handed back unstarted on request; said again after a reconnect, as they are in no `holds` any more */
  | { kind: "gave-back"; leases: HeldLease[] }
  | { kind: "need-function"; function: string }
  /** a payload above the inline limit, by hash */
  | { kind: "need-blob"; blob: string; owner: string; task: string; lease: number }
  /** a large result on its way up, in order; the body is the chunk. `taken-blob` answers the last */
  | {
      kind: "blob-chunk";
      blob: string;
      task: string;
      lease: number;
      size: number;
      offset: number;
      end: boolean;
    }
  /** live output of a watched task; the body is the bytes */
  | { kind: "log"; task: string; lease: number; stream: "stdout" | "stderr"; offset: number; end?: boolean }
  /** the manager ends by itself: drained, walltime, idle. `broken`: it cannot work on this node, as no worker starts there */
  | { kind: "bye"; reason: string; broken?: true };

export type AgentToManager =
  | {
      kind: "welcome";
      /** ms after the sending of the last answered beat at which work without contact is killed */
      remainingDeadlineMs: number;
      /** leases that it may go on with; every other one it holds is killed */
      keep: HeldLease[];
    }
  | { kind: "refused"; reason: string }
  | { kind: "beat-answer"; sentAt: number; remainingDeadlineMs: number }
  /** body: the arguments' bytes, in the order of the tasks */
  | { kind: "tasks"; specs: LeaseSpec[]; tasks: LeaseEntry[] }
  /** the results up to this message are on the agent's disk or committed at the gateway */
  | { kind: "taken"; message: number }
  /** at-most-once: the start is committed, go; or `go: false`: give it up */
  | { kind: "start"; id: string; lease: number; go: boolean }
  /** each is answered by its result: `returned` when it had not started, else its own end or `failed` CANCELLED */
  | { kind: "cancel"; leases: HeldLease[] }
  /** hand back up to `count` tasks that no worker has started */
  | { kind: "give-back"; count: number }
  /** body: the code's bytes */
  | { kind: "function"; function: string; definition: FunctionDefinition }
  | { kind: "function-error"; function: string; code: "FUNCTION_GONE" | "UNAVAILABLE"; message: string }
  /** a chunk of a blob; the body is the bytes */
  | { kind: "blob-chunk"; blob: string; offset: number; size: number; end: boolean }
  | { kind: "blob-error"; blob: string; message: string }
  /** `again`: the agent could not keep it now, and may be able to when it is sent once more */
  | { kind: "taken-blob"; blob: string; task: string; lease: number; error?: string; again?: true }
  | { kind: "watch"; task: string; watch: boolean }
  /** finish what runs, start nothing, then say bye */
  | { kind: "drain" }
  /** kill everything and exit (fenced, or the block is no longer wanted) */
  | { kind: "stop" };

/** The bytes of one blob chunk at most. */
export const BLOB_CHUNK_BYTES = 1024 * 1024;
