/** Submits with synchronous match: what is leased in the transaction is sent at once (PROTOCOL.md rule 2). */

import type { SubmitHeader } from "../../protocol/batch.ts";
import type { Limits } from "../../protocol/messages.ts";
import { type CallSpec, DEFAULT_RESOURCES, resourceClass } from "../../protocol/task.ts";
import type { Effects, Handout, Store, SubmitInput, SubmitOutput } from "../store/port.ts";
import { inlineBytes } from "./batches.ts";
import { noReservation, type Pulls, type Reservation } from "./pulls.ts";

export type SubmitParts = {
  store: Pick<Store, "submit">;
  pulls: Pulls;
  send: (handouts: readonly Handout[]) => void;
  apply: (effects: Effects) => void;
};

/** Makes the submit of one gateway. */
export function createSubmit({ store, pulls, send, apply }: SubmitParts) {
  return async (input: Omit<SubmitInput, "pulls">): Promise<SubmitOutput> => {
    const reservation = reserveFor(input.header, pulls);
    const output = await store.submit({ ...input, pulls: reservation.pulls }).finally(() => pulls.release(reservation));
    send(output.handouts);
    apply(output);
    return output;
  };
}

/** Reserves what the batch can use and no more, so that submits side by side each get their part of the room. */
export function reserveFor({ specs, tasks }: SubmitHeader, pulls: Pulls): Reservation {
  const reservation = noReservation();
  const wanted = new Map<string, Limits>();
  const limits = specs.map((spec) => limitOf(spec, { pulls, wanted }));
  if (wanted.size === 0) return reservation;
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i] as SubmitHeader["tasks"][number];
    const limit = limits[task.spec ?? 0];
    if (!limit) continue;
    limit.tasks++;
    limit.bytes += inlineBytes(task);
  }
  for (const [endpoint, most] of wanted) {
    const state = pulls.get(endpoint);
    if (state) pulls.reserve(state, most, reservation);
  }
  return reservation;
}

/** Where the needs of a spec's tasks are added up; undefined when there is no pull that could take them at once. */
function limitOf(spec: CallSpec, { pulls, wanted }: { pulls: Pulls; wanted: Map<string, Limits> }) {
  const endpoint = spec.endpoint ?? "";
  if (!pulls.get(endpoint)) return undefined;
  const ofEndpoint = wanted.get(endpoint) ?? {};
  wanted.set(endpoint, ofEndpoint);
  const key = resourceClass(spec.resources ?? DEFAULT_RESOURCES);
  const limit = ofEndpoint[key] ?? { tasks: 0, bytes: 0 };
  ofEndpoint[key] = limit;
  return limit;
}
