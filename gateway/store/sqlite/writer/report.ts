/** Reports: starts, ends, retries and returns, each only if its lease matches (PROTOCOL.md rules 7, 10, 11, 14). */
import type { Outcome } from "../../../../protocol/batch.ts";
import { isLarge } from "../../../../protocol/large-buffers.ts";
import { isTaken } from "../../verdict.ts";
import { NOT_STARTED, OUTCOME_CODES, type ReportMessage, type ReportReply, STARTED } from "../messages.ts";
import { CODE } from "../states.ts";
import type { Base } from "./base.ts";
import type { Blobs } from "./blobs.ts";
import type { HandOutEnds } from "./hand-out-ends.ts";
import type { Endpoint, Task } from "./model.ts";
import type { Popper } from "./pop.ts";
import { createResults, type ResultAt } from "./results.ts";
import type { Superseded } from "./superseded.ts";
import type { Transitions } from "./transitions.ts";

/** What an agent calls its blocks and workers is kept up to this length. */
const NAME_LENGTH = 128;

const OUTCOMES = Object.keys(OUTCOME_CODES) as Outcome[];

export type ReportParts = {
  transitions: Transitions;
  ends: HandOutEnds;
  superseded: Superseded;
  blobs: Blobs;
  pop: Popper;
};

/** Prepares the report. */
export function createReport(base: Base, parts: ReportParts) {
  const { interning } = base;
  const { transitions, superseded } = parts;
  const results = createResults(base, parts.blobs);

  /** Commits starts; those that do not match must not run. */
  function commitStarts(endpoint: Endpoint | undefined, message: ReportMessage, reply: ReportReply): void {
    const { ids, leases, places, names } = message.starts;
    // An older epoch may still say what became of its work, but it starts nothing any more.
    const current = endpoint !== undefined && endpoint.epoch === message.epoch;
    for (let i = 0; i < ids.length; i++) {
      const task = current ? endpoint.leases.get(ids[i] as string) : undefined;
      if (!task || task.lease !== leases[i]) {
        reply.refusedStarts.push(i);
        continue;
      }
      // A start that is already committed is answered alike: its first answer may have been lost.
      if (task.state === CODE.running) continue;
      placeAt(task, names, places, i);
      reply.events.push(transitions.event(task, transitions.start(task), null));
      reply.resultOf.push(-1);
    }
  }

  function placeAt(task: Task, names: readonly string[], places: Uint16Array, index: number): void {
    const block = places[index * 2] as number;
    const worker = places[index * 2 + 1] as number;
    if (block > 0) task.block = interning.name(names[block]?.slice(0, NAME_LENGTH));
    if (worker > 0) task.worker = interning.name(names[worker]?.slice(0, NAME_LENGTH));
  }

  /** Ends a task that succeeded; only this path is hot. */
  function succeed(task: Task, at: ResultAt, reply: ReportReply, audiences: Map<number, number>): void {
    const { message, index } = at;
    const said = message.results.ranMs[index] as number;
    const ranMs = Number.isNaN(said) ? null : said;
    if (task.state !== CODE.running) {
      task.attempt++;
      task.startedAt = Math.round(base.now - (ranMs ?? 0));
    }
    const result = results.store(task, at);
    reply.sequences[index] = transitions.end(task, "succeeded", { failure: null, ranMs, result });
    reply.attempts[index] = task.attempt;
    let audience = audiences.get(task.spec.key);
    if (audience === undefined) {
      const { owner, group } = task.spec;
      audience = reply.audiences.push({ owner: owner.name, group: group?.name ?? null }) - 1;
      audiences.set(task.spec.key, audience);
    }
    reply.audienceOf[index] = audience;
  }

  function endAny(
    task: Task,
    at: ResultAt,
    outcome: Outcome,
    reply: ReportReply,
    audiences: Map<number, number>,
  ): void {
    const { message, index } = at;
    placeAt(task, message.results.names, message.results.places, index);
    const lost = results.lostBlob(task, at);
    results.storeOutput(task, at);
    if (outcome === "succeeded" && !lost) {
      succeed(task, at, reply, audiences);
      return;
    }
    const flags = message.results.outcomes[index] as number;
    const failure = lost ?? message.results.extras?.get(index)?.failure;
    const ranMs = message.results.ranMs[index] as number;
    const event = parts.ends.end(task, {
      outcome: outcome === "succeeded" ? "failed" : outcome,
      failure,
      started: lost || flags & STARTED ? true : flags & NOT_STARTED ? false : undefined,
      ranMs: Number.isNaN(ranMs) ? null : ranMs,
      result: () => results.store(task, at),
    });
    if (event) {
      reply.events.push(event);
      reply.resultOf.push(index);
    }
  }

  /** How a block ended is known only when its tasks are out again. */
  function explained({ message, index }: ResultAt, outcome: Outcome, endpoint: Endpoint | undefined): boolean {
    const { results } = message;
    const failure = results.extras?.get(index)?.failure;
    const block = results.names[results.places[index * 2] as number];
    if (!endpoint || outcome !== "returned" || failure === undefined || !block || !isTaken(failure)) return false;
    const id = results.ids[index] as string;
    return transitions.explain({ id, endpoint, block: block.slice(0, NAME_LENGTH) }, failure);
  }

  return (message: ReportMessage): ReportReply => {
    const endpoint = base.endpoints.byId(message.endpoint);
    const { ids, leases, outcomes } = message.results;
    const n = ids.length;
    const reply: ReportReply = {
      body: isLarge(message.body) ? message.body : null,
      superseded: 0,
      refusedStarts: [],
      sequences: new Float64Array(n),
      attempts: new Uint32Array(n),
      audienceOf: new Uint16Array(n),
      audiences: [],
      events: [],
      resultOf: [],
      popped: [],
      queued: [],
    };
    const audiences = new Map<number, number>();
    commitStarts(endpoint, message, reply);
    let offset = 0;
    for (let index = 0; index < n; index++) {
      const task = endpoint?.leases.get(ids[index] as string);
      const outcome = OUTCOMES[(outcomes[index] as number) & 15] as Outcome;
      const at = { message, index, offset };
      offset += results.length(at);
      if (task && task.lease === leases[index]) endAny(task, at, outcome, reply, audiences);
      else if (!explained(at, outcome, endpoint)) {
        superseded.keep(message, index, outcome);
        reply.superseded++;
      }
    }
    reply.popped = parts.pop(message.pulls);
    if (endpoint && endpoint.queues.size > 0) reply.queued = [endpoint.id];
    return reply;
  };
}
