/**
 * Synchronous match (PROTOCOL.md rule 2): what a submit creates is leased to an open pull in the insert itself, as long as
 * the queue order stays exact; otherwise it is queued and popped in the same transaction.
 */
import type { OpenPull } from "../../port.ts";
import type { SubmitMessage } from "../messages.ts";
import { CODE } from "../states.ts";
import type { Base } from "./base.ts";
import type { Spec, Task } from "./model.ts";
import { endpointOfPull } from "./pop.ts";
import type { Offered } from "./submit-batch.ts";

export type Matching = {
  /** Whether the task, when its insert creates it, is to be leased at once. */
  wants(offered: Offered): boolean;
  lease(offered: Offered, at: { id: string; index: number; seq: number }): void;
  /** What was leased, in queue order. */
  direct(): { pull: number; at: Uint32Array | null }[];
  /** The pulls with what room they have left in the classes that had to be queued. */
  rest(): OpenPull[];
};

/** The room of one pull for one resource class. `open`: what comes next may be leased in its insert. */
type Lane = {
  pull: number;
  className: string;
  room: { tasks: number; bytes: number };
  open: boolean;
  priorities: Set<number>;
};
type Leased = { index: number; priority: number };

/** Looks at the whole submit before its first insert. */
export function createMatching(
  base: Base,
  { specs, message }: { specs: readonly (Spec | { code: string })[]; message: SubmitMessage },
): Matching {
  const lanes = openLanes(base, specs, message);
  const leased: Leased[][] = message.pulls.map(() => []);
  let mixed = false;

  return {
    wants({ spec, inlineSize }) {
      const lane = lanes.get(spec);
      if (!lane?.open) return false;
      // Once one does not fit, nothing behind it may overtake it.
      if (lane.room.tasks < 1 || lane.room.bytes < inlineSize) lane.open = false;
      return lane.open;
    },
    lease({ spec, inlineSize }, { id, index, seq }) {
      const lane = lanes.get(spec) as Lane;
      lane.room.tasks--;
      lane.room.bytes -= inlineSize;
      const task: Task = {
        seq,
        id,
        spec,
        state: CODE.leased,
        lease: 1,
        attempt: 0,
        argsSize: inlineSize,
        leasedAt: base.now,
        startedAt: null,
        block: null,
        worker: null,
      };
      spec.endpoint.leases.set(id, task);
      if (lane.priorities.size > 1) mixed = true;
      (leased[lane.pull] as Leased[]).push({ index, priority: spec.queue.priority });
    },
    direct() {
      const handouts: { pull: number; at: Uint32Array | null }[] = [];
      for (const [pull, tasks] of leased.entries()) {
        if (tasks.length === 0) continue;
        // Inserts went in time order and a sort is stable, so priority is all that is left to sort by.
        if (mixed) tasks.sort((a, b) => b.priority - a.priority);
        const all = tasks.length === message.ids.length && tasks.every(({ index }, i) => index === i);
        handouts.push({ pull, at: all ? null : Uint32Array.from(tasks, ({ index }) => index) });
      }
      return handouts;
    },
    rest() {
      const rooms = new Map<number, OpenPull["room"]>();
      for (const lane of new Set(lanes.values())) {
        if (lane.open || lane.room.tasks < 1) continue;
        const room = rooms.get(lane.pull) ?? {};
        room[lane.className] = lane.room;
        rooms.set(lane.pull, room);
      }
      return [...rooms].map(([pull, room]) => ({ ...(message.pulls[pull] as OpenPull), room }));
    },
  };
}

function openLanes(base: Base, specs: readonly (Spec | { code: string })[], message: SubmitMessage): Map<Spec, Lane> {
  const lanes = new Map<Spec, Lane>();
  const byClass = new Map<string, Lane>();
  for (const [pull, open] of message.pulls.entries()) {
    const endpoint = endpointOfPull(base, open);
    if (!endpoint) continue;
    for (const spec of specs) {
      if ("code" in spec || spec.endpoint !== endpoint) continue;
      const { className, priority } = spec.queue;
      const room = open.room[className];
      if (!room) continue;
      let lane = byClass.get(`${pull} ${className}`);
      if (!lane) {
        const nothingWaits = !endpoint.queues.has(className);
        lane = { pull, className, room: { ...room }, open: nothingWaits, priorities: new Set() };
        byClass.set(`${pull} ${className}`, lane);
      }
      lane.priorities.add(priority);
      lanes.set(spec, lane);
    }
  }
  for (const lane of byClass.values()) {
    if (lane.open && lane.priorities.size > 1) lane.open = fits(lane, { specs, message, lanes });
  }
  return lanes;
}

/** Whether everything the submit brings for the lane fits: then tasks of several priorities need no queue to be ordered. */
function fits(
  lane: Lane,
  {
    specs,
    message,
    lanes,
  }: { specs: readonly (Spec | { code: string })[]; message: SubmitMessage; lanes: Map<Spec, Lane> },
): boolean {
  let tasks = 0;
  let bytes = 0;
  for (let i = 0; i < message.ids.length; i++) {
    if (lanes.get(specs[message.specOf?.[i] ?? 0] as Spec) !== lane) continue;
    tasks++;
    bytes += message.lengths[i] as number;
  }
  return tasks <= lane.room.tasks && bytes <= lane.room.bytes;
}
