/** Placement that leaves blocks empty: while there are more workers than tasks, the busiest block gets the next one. */
import type { Manager } from "./manager.ts";
import type { SpecState } from "./spec-state.ts";
import { countFitting, SCALE } from "./units.ts";
import { fitsWalltime } from "./walltime-fit.ts";

/** Over all managers, or over as few blocks as hold the tasks. */
export type Spreading = "spread" | "pack";

export type Chosen = { manager: Manager; room: number; candidates: number };

/** By block: its tasks, and its managers. */
export type Packing = ReadonlyMap<string, { readonly managers: readonly Manager[] }>;

/** The blocks that take work, if they have more workers than tasks; else nothing would be left empty. */
export function createPacking(specs: readonly SpecState[], managers: ReadonlySet<Manager>): Packing | undefined {
  let spare = 0;
  for (const { queue } of specs) spare -= queue.length;
  for (const manager of managers) if (takesWork(manager)) spare += freeWorkers(manager);
  if (spare <= 0) return undefined;
  const blocks = new Map<string, { managers: Manager[] }>();
  for (const manager of managers) {
    if (!takesWork(manager)) continue;
    const block = blocks.get(manager.hello.block);
    if (block) block.managers.push(manager);
    else blocks.set(manager.hello.block, { managers: [manager] });
  }
  return blocks;
}

/** The least loaded manager of the block that has most tasks, among those with a free worker; undefined if none is free. */
export function busiestBlock(
  spec: SpecState,
  { packing, now, reserved }: { packing: Packing; now: number; reserved: ReadonlySet<Manager> },
): Chosen | undefined {
  let best: Chosen | undefined;
  let most = -1;
  for (const { managers } of packing.values()) {
    const tasks = managers.reduce((sum, manager) => sum + manager.tasks.size, 0);
    if (tasks <= most) continue;
    const chosen = leastLoaded(spec, managers, { now, reserved });
    if (!chosen) continue;
    best = chosen;
    most = tasks;
  }
  return best;
}

function leastLoaded(
  spec: SpecState,
  managers: readonly Manager[],
  { now, reserved }: { now: number; reserved: ReadonlySet<Manager> },
): Chosen | undefined {
  let best: Chosen | undefined;
  let candidates = 0;
  for (const manager of managers) {
    if (reserved.has(manager) || !fitsWalltime(spec, manager, now)) continue;
    // A worker may hold several short tasks; while others are free none has to.
    const room = Math.min(freeWorkers(manager), countFitting(manager.free, spec.cost));
    if (room <= 0) continue;
    candidates++;
    if (!best || room > best.room) best = { manager, room, candidates: 0 };
  }
  return best && { ...best, candidates };
}

function takesWork({ link, draining }: Manager): boolean {
  return link !== undefined && !draining;
}

function freeWorkers({ capacity, tasks }: Manager): number {
  return capacity.places / SCALE - tasks.size;
}
