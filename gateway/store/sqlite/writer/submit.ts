/** Submit with synchronous match (PROTOCOL.md rules 1 to 3). */
import type { ErrorCode } from "../../../../protocol/errors.ts";
import { isLarge } from "../../../../protocol/large-buffers.ts";
import type { CallSpec } from "../../../../protocol/task.ts";
import { firstIdAt } from "../ids.ts";
import type { SubmitMessage, SubmitReply } from "../messages.ts";
import { CODE, PLACE, payloadKey, placeOf } from "../states.ts";
import type { Base } from "./base.ts";
import type { Blobs } from "./blobs.ts";
import { createComparison } from "./comparison.ts";
import { createMatching, type Matching } from "./matching.ts";
import type { Owner, Spec } from "./model.ts";
import type { Popper } from "./pop.ts";
import { type Offered, readBatch } from "./submit-batch.ts";
import { checkLimits } from "./submit-limits.ts";

type Rejection = { code: ErrorCode; message: string };

/** Prepares the submit. `admit` throws when the disk is too full for new tasks. */
export function createSubmit(base: Base, parts: { pop: Popper; blobs: Blobs; admit: () => void }) {
  const { db, interning, counts, limits } = base;
  const compare = createComparison(base);
  const functionRow = db.prepare("select 1 from functions where id = ? and owner = ? and deleted_at is null");
  const insert = db.prepare(
    `insert into tasks(seq, id, spec, queue, state, lease, attempt, submitted_at, expires_at, args_form, args_size, args, retry_of, leased_at)
     values(?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?) on conflict(id) do nothing`,
  );
  const insertPayload = db.prepare("insert into payloads(key, bytes) values(?, ?)");
  const touchGroup = db.prepare("update groups set last_seq = ? where key = ?");

  function resolve(owner: Owner, text: string): Spec | Rejection {
    const parsed = JSON.parse(text) as CallSpec;
    const endpoint = base.endpoints.byId(parsed.endpoint ?? "");
    if (!endpoint) {
      return {
        code: "ENDPOINT_UNKNOWN",
        message: `no endpoint ${JSON.stringify(parsed.endpoint ?? null)} is registered`,
      };
    }
    if (!owner.functions.has(parsed.function)) {
      if (!functionRow.get(parsed.function, owner.name)) {
        return { code: "FUNCTION_UNKNOWN", message: `function ${parsed.function} is not registered` };
      }
      owner.functions.add(parsed.function);
    }
    const context = { parsed, endpoint, now: base.now, seq: base.nextSeq };
    return interning.spec(owner, text, context);
  }

  function specOf(owner: Owner, text: string): Spec | Rejection {
    const known = interning.knownSpec(owner, text);
    return known && !known.endpoint.deleted && owner.functions.has(known.functionId) ? known : resolve(owner, text);
  }

  /** False when the id exists. */
  function insertTask(offered: Offered, leased: boolean): boolean {
    const { spec, form, size, args, id, retryOf } = offered;
    const aside = placeOf(form) === PLACE.table;
    const { changes } = insert.run(
      base.nextSeq,
      id,
      spec.key,
      spec.queue.key,
      leased ? CODE.leased : CODE.queued,
      leased ? 1 : 0,
      base.submittedAt,
      base.submittedAt + spec.ttlMs,
      form,
      size,
      aside ? null : args,
      retryOf,
      leased ? base.now : null,
    );
    if (changes === 0) return false;
    if (aside) insertPayload.run(payloadKey(base.nextSeq, "arguments"), args);
    if (offered.blob) parts.blobs.refer(offered.blob.hash);
    base.nextSeq++;
    return true;
  }

  /** Stores one task; returns why not, when it is refused. */
  function accept(offered: Offered, context: Context): Rejection | null {
    const { spec } = offered;
    if (context.id < context.retentionCut && !compare.exists(offered.id)) return gone(context.id, limits.retentionMs);
    if (offered.blob && !compare.exists(offered.id) && !parts.blobs.visible(offered.blob.hash, spec.owner)) {
      return { code: "BLOB_MISSING", message: `blob ${offered.blob.hash} is not stored; upload it first` };
    }
    const leased = context.matching.wants(offered);
    if (!insertTask(offered, leased)) return compare.mismatch(offered, context.id);
    if (leased) context.matching.lease(offered, { id: context.id, index: context.index, seq: base.nextSeq - 1 });
    context.created.add(offered, leased);
    return null;
  }

  return (message: SubmitMessage): SubmitReply => {
    parts.admit();
    base.submittedAt = Math.max(base.submittedAt, base.now);
    const owner = interning.owner(message.owner);
    const specs = message.specs.map((text) => specOf(owner, text));
    checkLimits(base, { owner, specs, message }, (ids) => compare.existing(ids));
    const batch = readBatch(message);
    const matching = createMatching(base, { specs, message });
    const created = createCreated();
    const rejected: SubmitReply["rejected"] = [];
    const retentionCut = firstIdAt(base.now - limits.retentionMs);
    for (const index of batch.order) {
      const spec = specs[batch.specOf(index)] as Spec | Rejection;
      const context = { id: message.ids[index] as string, index, retentionCut, matching, created };
      const problem = "code" in spec ? spec : accept(batch.offer(index, spec), context);
      if (problem) rejected.push({ index, ...problem });
    }
    for (const [spec, tally] of created.bySpec()) {
      counts.add(spec, CODE.leased, tally.leased, tally.bytes);
      if (tally.leased > 0) base.phases.handedOut(0, tally.leased);
      counts.add(spec, CODE.queued, tally.tasks - tally.leased, 0);
      if (spec.group) touchGroup.run(base.nextSeq - 1, spec.group.key);
    }
    const popped = parts.pop(matching.rest());
    const direct = matching.direct();
    return {
      body: direct.length > 0 && isLarge(message.body) ? message.body : null,
      rejected,
      specKeys: specs.map((spec) => ("code" in spec ? 0 : spec.key)),
      classes: specs.map((spec) => ("code" in spec ? "" : spec.queue.className)),
      submittedAt: base.submittedAt,
      direct,
      popped,
      queued: created.queued(),
      events: [],
    };
  };
}

type Context = { id: string; index: number; retentionCut: string; matching: Matching; created: Created };
type Tally = { tasks: number; leased: number; bytes: number };
type Created = ReturnType<typeof createCreated>;

/** Adds up what a submit created, by spec, so that counters move once a spec and not once a task. */
function createCreated() {
  const tallies = new Map<Spec, Tally>();
  return {
    add({ spec, inlineSize }: Offered, leased: boolean): void {
      let tally = tallies.get(spec);
      if (!tally) {
        tally = { tasks: 0, leased: 0, bytes: 0 };
        tallies.set(spec, tally);
      }
      tally.tasks++;
      tally.bytes += inlineSize;
      if (leased) tally.leased++;
    },
    bySpec: () => tallies.entries(),
    /** The endpoints at which some of it still waits. */
    queued(): string[] {
      const endpoints = new Set<string>();
      for (const [{ endpoint, queue }, { tasks, leased }] of tallies) {
        if (tasks > leased && endpoint.queues.has(queue.className)) endpoints.add(endpoint.id);
      }
      return [...endpoints];
    },
  };
}

function gone(id: string, retentionMs: number): Rejection {
  const days = Math.round(retentionMs / 86_400_000);
  return { code: "GONE", message: `task ${id} is unknown and its id is older than the retention time of ${days} days` };
}
