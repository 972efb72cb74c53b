/**
 * Chooses managers for queued tasks: by priority and arrival, nothing beyond resources. The least loaded manager comes
 * first; where blocks come and go, and there are more workers than tasks, the busiest block does, so that others empty.
 */
import { uptimeMs } from "./clock.ts";
import type { HeldTask } from "./held-task.ts";
import type { Manager } from "./manager.ts";
import { placeOnNodes } from "./placement-on-nodes.ts";
import { busiestBlock, type Chosen, createPacking, type Packing, type Spreading } from "./placement-packing.ts";
import type { SpecState } from "./spec-state.ts";
import { addUnits, countFitting } from "./units.ts";
import { fitsWalltime } from "./walltime-fit.ts";

/** Moves what fits from the specs' queues to the managers' `outgoing` lists. */
export function place(specs: SpecState[], managers: ReadonlySet<Manager>, spreading: Spreading = "spread"): void {
  if (specs.length > 1) specs.sort(byPriorityThenArrival);
  const now = uptimeMs();
  const reserved = new Set<Manager>();
  const packing: Packing | undefined = spreading === "pack" ? createPacking(specs, managers) : undefined;
  for (const spec of specs) {
    const before = spec.queue.length;
    if (spec.class.resources.nodes !== undefined) placeOnNodes(spec, managers, { now, reserved });
    else
      while (spec.queue.length > 0) {
        const options = { now, reserved };
        const packed = packing && busiestBlock(spec, { ...options, packing });
        const choice = packed ?? leastLoaded(spec, managers, options);
        if (choice.manager === undefined) {
          // What waits for a big enough gap would wait for ever if smaller tasks kept taking it.
          if (choice.reserve) reserved.add(choice.reserve);
          break;
        }
        const count = Math.min(choice.room, Math.ceil(spec.queue.length / choice.candidates));
        for (let i = 0; i < count; i++) assign(spec.queue.shift() as HeldTask, choice.manager, now);
      }
    spec.class.queued -= before - spec.queue.length;
  }
}

type Choice = Chosen | { manager: undefined; reserve: Manager | undefined };

function leastLoaded(
  spec: SpecState,
  managers: ReadonlySet<Manager>,
  options: { now: number; reserved: Set<Manager> },
): Choice {
  let best: Manager | undefined;
  let bestFree = -1;
  let candidates = 0;
  let reserve: Manager | undefined;
  for (const manager of managers) {
    if (!manager.link || manager.draining || options.reserved.has(manager)) continue;
    if (!fitsWalltime(spec, manager, options.now)) continue;
    if (countFitting(manager.free, spec.cost) === 0) {
      if (countFitting(manager.capacity, spec.cost) > 0 && (!reserve || manager.free.cores > reserve.free.cores)) {
        reserve = manager;
      }
      continue;
    }
    candidates++;
    const free = manager.free.places / manager.capacity.places;
    if (free > bestFree) {
      best = manager;
      bestFree = free;
    }
  }
  if (!best) return { manager: undefined, reserve };
  return { manager: best, room: countFitting(best.free, spec.cost), candidates };
}

function assign(task: HeldTask, manager: Manager, now: number): void {
  const spec = task.spec as SpecState;
  task.phase = "placed";
  task.manager = manager;
  task.cost = spec.cost;
  addUnits(manager.free, spec.cost, -1);
  if (manager.tasks.size === 0) manager.progressAt = now;
  manager.tasks.add(task);
  manager.idleSince = undefined;
  const { specs, tasks } = manager.outgoing;
  if (specs.length === 0 || specs[specs.length - 1] !== spec) if (!specs.includes(spec)) specs.push(spec);
  tasks.push(task);
}

function byPriorityThenArrival(a: SpecState, b: SpecState): number {
  return b.priority - a.priority || (a.queue.peek()?.arrivedAt ?? 0) - (b.queue.peek()?.arrivedAt ?? 0);
}
