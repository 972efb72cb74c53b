/**
 * Resources of a manager in whole numbers. A task of a short function takes a fraction of a core's place, so everything is
 * counted in parts of SCALE: sums of such fractions are exact and come back to zero.
 */
import type { Resources } from "../protocol/task.ts";

/** The most tasks that share one core's place at a manager: twice the most that a worker holds. */
export const SCALE = 128;

export type Units = { places: number; cores: number; memoryMb: number; gpus: number };

/** What a manager of that capacity offers; `places` is how many workers it runs at once. */
export function capacityOf(capacity: Resources, workers: number): Units {
  const { cores, memoryMb, gpus, nodes } = capacity;
  // What runs beside the nodes is often a machine that everybody shares: nothing is computed there.
  return scale({ places: nodes === undefined ? workers : 0, cores, memoryMb, gpus }, SCALE);
}

/** What one task takes when `share` of them (a power of two up to SCALE) share a place. */
export function costOf(resources: Resources, share: number): Units {
  const { cores, memoryMb, gpus } = resources;
  return scale({ places: 1, cores, memoryMb, gpus }, SCALE / share);
}

/** How many costs fit into what is free. */
export function countFitting(free: Units, cost: Units): number {
  let count = Math.floor(free.places / cost.places);
  count = Math.min(count, Math.floor(free.cores / cost.cores));
  if (cost.memoryMb > 0) count = Math.min(count, Math.floor(free.memoryMb / cost.memoryMb));
  if (cost.gpus > 0) count = Math.min(count, Math.floor(free.gpus / cost.gpus));
  return Math.max(0, count);
}

/** Adds `times` costs in place; negative takes away. */
export function addUnits(target: Units, cost: Units, times: number): void {
  target.places += cost.places * times;
  target.cores += cost.cores * times;
  target.memoryMb += cost.memoryMb * times;
  target.gpus += cost.gpus * times;
}

function scale(units: Units, factor: number): Units {
  return {
    places: units.places * factor,
    cores: units.cores * factor,
    memoryMb: units.memoryMb * factor,
    gpus: units.gpus * factor,
  };
}
