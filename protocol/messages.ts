/**
 * What agent and gateway say to each other over NATS, beside batches of tasks and results (batch.ts). Every message is one
 * frame; those here have a header and no body. All carry the agent's epoch: an old one is answered EPOCH_SUPERSEDED.
 */
import { z } from "zod";
import type { ErrorBody } from "./errors.ts";

/** `ep.<endpoint>.hello`: an agent has started. */
export const Hello = z.object({
  version: z.string(),
  host: z.string(),
  /** differs after each boot of the host */
  bootId: z.string(),
  pid: z.int(),
  /** drawn at each start of the agent */
  nonce: z.string(),
  /** take the endpoint over from an agent on another host that still answers */
  takeOver: z.boolean(),
  orphanTimeoutMs: z.int().positive(),
});
export type Hello = z.infer<typeof Hello>;

export type HelloAnswer =
  | {
      ok: true;
      epoch: number;
      /** the agent that the endpoint had before; its work is fenced as PROTOCOL.md rules 17 and 18 say */
      previous: { epoch: number; host: string; bootId: string } | null;
      heartbeatMs: number;
    }
  | { ok: false; error: ErrorBody };

/** How many tasks and payload bytes of one resource class may be sent in this pull, counted from its beginning. */
const Limit = z.object({ tasks: z.int().nonnegative(), bytes: z.int().nonnegative() });
export type Limit = z.infer<typeof Limit>;
const Limits = z.record(z.string(), Limit);
/** By resource class key. */
export type Limits = z.infer<typeof Limits>;

/**
 * `ep.<endpoint>.pull`: asks one gateway to keep a pull open and stream batches to the work inbox. A higher number cancels
 * the lower one, at whichever gateway it stands.
 */
export const Pull = z.object({
  epoch: z.int().positive(),
  pull: z.int().positive(),
  limits: Limits,
  /** tasks that maxBlocks could hold; the waiting counts stop there (PROTOCOL.md rule 6) */
  countUpTo: z.int().nonnegative(),
});
export type Pull = z.infer<typeof Pull>;

/**
 * `ep.<endpoint>.credit`: states the limits of an open pull anew and receipts batches. Limits are cumulative from the pull's
 * beginning and never fall, so a lost message costs nothing: the next one says the same and more.
 */
export const Credit = z.object({
  epoch: z.int().positive(),
  pull: z.int().positive(),
  limits: Limits,
  /** every batch up to and including this number has arrived or was denied; limits count only what arrived */
  received: z.int().nonnegative(),
  countUpTo: z.int().nonnegative(),
});
export type Credit = z.infer<typeof Credit>;

/** What comes to the work inbox beside `tasks` (batch.ts). */
export type WorkMessage =
  /** every 5 s while the pull is open */
  | { kind: "beat"; epoch: number; pull: number }
  /** how many tasks wait at the gateway by resource class, at most countUpTo each; sent when it changes */
  | { kind: "waiting"; epoch: number; pull: number; classes: Record<string, number> }
  /** this pull has ended (newer pull, newer epoch, gateway going away): pull anew, or stop when the epoch is older */
  | { kind: "end"; epoch: number; pull: number; reason: "newer-pull" | "superseded" | "shutdown" };

/** A lease that an agent holds. */
export const HeldLease = z.tuple([z.string(), z.int()]);
export type HeldLease = z.infer<typeof HeldLease>;

/**
 * `ep.<endpoint>.state`: heartbeat, every 10 s. `digest` covers the leases older than 10 s, those with a result in the
 * journal included (PROTOCOL.md rule 9); the answer asks for the list only when it differs from the database's.
 */
export const Heartbeat = z.object({
  epoch: z.int().positive(),
  /** the agent's monotonic send time, echoed: the deadline counts from it (PROTOCOL.md rule 19) */
  sentAt: z.number(),
  digest: z.object({ count: z.int().nonnegative(), hash: z.string(), olderThanMs: z.int() }),
  /** present when the last answer asked for it */
  leases: z.array(HeldLease).optional(),
  summary: z.object({
    // Only shown: a word of a newer agent must not cost it its heartbeat.
    state: z.enum(["running", "draining"]).catch("running"),
    slots: z.int().nonnegative(),
    busy: z.int().nonnegative(),
    blocks: z.array(
      z.object({
        id: z.string(),
        job: z.string().nullable(),
        state: z.string(),
        reason: z.string().nullable(),
        since: z.number(),
        nodes: z.int(),
        slots: z.int(),
        busy: z.int(),
        /** when the job was asked for */
        submittedAt: z.number().optional(),
        /** when its walltime ends; null without one, or while it has not begun */
        endsAt: z.number().nullable().optional(),
      }),
    ),
    maxBlocks: z.int().nonnegative(),
    /** the scheduler's words when the circuit is open, or another reason why no block starts */
    trouble: z.string().nullable(),
    /** the last submissions or blocks failed: how many in a row, why, and when the next one is tried; null when the last went well */
    failing: z
      .object({ failures: z.int(), reason: z.string(), nextTryAt: z.number().nullable() })
      .nullable()
      .optional(),
    /** nodes that new blocks keep away from, and why */
    excludedNodes: z.array(z.object({ node: z.string(), reason: z.string(), until: z.number().optional() })).optional(),
    version: z.string(),
    host: z.string(),
    rssMb: z.number(),
  }),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

export type HeartbeatAnswer =
  | {
      ok: true;
      sentAt: number;
      /** the digests differ: send `leases` at once */
      wantLeases: boolean;
      /** leases to kill and drop: terminal or leased anew in the database */
      kill: HeldLease[];
    }
  | { ok: false; error: ErrorBody };

/** The answer to a `results` request, sent after the commit; the agent then forgets what it sent. */
export type ResultsAnswer =
  | {
      ok: true;
      superseded: number;
      /** positions in `starts` that did not match: at-most-once tasks among them must not run (PROTOCOL.md rule 10) */
      refusedStarts?: number[];
    }
  | { ok: false; error: ErrorBody };

/** `ep.<endpoint>.ctl`: a gateway's request to the agent, repeated every second until it is answered. */
export const Control = z.discriminatedUnion("kind", [
  /** kill these; what is unknown is dropped if it still arrives */
  z.object({ kind: z.literal("cancel"), epoch: z.int(), leases: z.array(HeldLease) }),
  /** which of these batches arrived? A denial binds: a denied number is dropped if it still comes (rule 8) */
  z.object({ kind: z.literal("received?"), epoch: z.int(), pull: z.int(), batches: z.array(z.int()) }),
  /** take no new work and let blocks end; `drain: false` takes it back */
  z.object({ kind: z.literal("drain"), epoch: z.int(), drain: z.boolean() }),
  /** a gateway has started: open the pull anew, as the one that kept it may be gone */
  z.object({ kind: z.literal("pull"), epoch: z.int() }),
  /** stream the output of a task on its log subject, or stop */
  z.object({ kind: z.literal("watch"), epoch: z.int(), task: z.string(), watch: z.boolean() }),
]);
export type Control = z.infer<typeof Control>;
export type ControlAnswer = {
  ok: boolean;
  epoch: number;
  /** for received?: those that did not arrive, and now never will */
  denied?: number[];
};

/** `ep.<endpoint>.log.<task>`: header of live output; the body is the bytes. */
export type LogChunk = {
  task: string;
  lease: number;
  stream: "stdout" | "stderr";
  offset: number;
  end?: boolean;
};

/** The digest of a set of leases: independent of order, cheap to keep, equal on both sides only for equal sets. */
export function leaseDigest(leases: Iterable<HeldLease>): { count: number; hash: string } {
  let count = 0;
  let low = 0;
  let high = 0;
  for (const [id, lease] of leases) {
    count++;
    // FNV-1a over the id's characters and the lease, twice with different bases; summed, so order does not matter.
    let a = 0x811c9dc5 ^ lease;
    let b = 0x01000193 + lease;
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x85ebca6b);
    }
    low = (low + (a >>> 0)) >>> 0;
    high = (high + (b >>> 0)) >>> 0;
  }
  return { count, hash: high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0") };
}
