/**
 * How much work to ask for (PROTOCOL.md rule 4): what live slots can take now, and at most 100 ms of look-ahead at the
 * observed rate. What is not asked for stays at the gateway, subject to priority, fairness, cancel and expiry.
 */
import type { Manager } from "./manager.ts";
import { roomOnNodes } from "./placement-on-nodes.ts";
import type { ResourceClass } from "./resource-classes.ts";
import { countFitting } from "./units.ts";

/** How far ahead of live slots work is asked for. */
export const LOOK_AHEAD_MS = 100;
/** The most tasks of one class, and bytes of arguments, that an agent asks for at once. */
export const MAX_WINDOW_TASKS = 8192;
/** As MAX_WINDOW_TASKS, in bytes. */
export const MAX_WINDOW_BYTES = 64 * 1024 * 1024;
/** Tasks that no manager can ever hold are taken to be failed, not to be run: so many at a time. */
const HOPELESS_TASKS = 64;

/** A rate that rises is seen over this time: over the whole look-ahead, a bag of short tasks would take ten doublings. */
const BURST_MS = 20;

/** Tasks of one class that ended lately: counts decay, so each is the rate times its time. */
export type RecentEnds = { count: number; burst: number; at: number };

/** Nothing has ended yet. */
export const noEnds = (): RecentEnds => ({ count: 0, burst: 0, at: 0 });

/** Adds ended tasks; with 0 it only lets time pass. Returns how many end within the look-ahead time at the rate of now. */
export function countEnds(recent: RecentEnds, ended: number, now: number): number {
  const passed = Math.max(0, now - recent.at);
  recent.count = recent.count * Math.exp(-passed / LOOK_AHEAD_MS) + ended;
  recent.burst = recent.burst * Math.exp(-passed / BURST_MS) + ended;
  recent.at = now;
  const rising = recent.burst * (LOOK_AHEAD_MS / BURST_MS);
  // One task that ended is no rate, and what varies by less than this is steady.
  return recent.burst >= 2 && rising > 2 * recent.count ? rising : recent.count;
}

export type WindowSnapshot = {
  managers: Iterable<Manager>;
  /** all classes, for what waits at the agent */
  classes: Iterable<Pick<ResourceClass, "key" | "queued" | "resources">>;
  /** bytes of arguments that the agent holds */
  heldBytes: number;
  /** of the class: ended within the look-ahead time */
  recent: number;
  /** the agent takes no new work */
  closed: boolean;
  /** no manager that this endpoint can start could hold a task of the class */
  hopeless: boolean;
};

/** How many tasks of a class, and how many bytes, may come beside those that are here. */
export function roomFor(
  { key, resources, cost }: Pick<ResourceClass, "key" | "resources" | "cost">,
  snapshot: WindowSnapshot,
): { tasks: number; bytes: number } {
  if (snapshot.closed) return { tasks: 0, bytes: 0 };
  const bytes = Math.max(0, MAX_WINDOW_BYTES - snapshot.heldBytes);
  if (snapshot.hopeless) return { tasks: HOPELESS_TASKS, bytes };
  let live = 0;
  let slots = 0;
  if (resources.nodes !== undefined) {
    const room = roomOnNodes(snapshot.managers, resources.nodes);
    live = room.live;
    slots = room.free;
  } else
    for (const manager of snapshot.managers) {
      if (!manager.link || manager.draining) continue;
      live += countFitting(manager.capacity, cost);
      slots += countFitting(manager.free, cost);
    }
  // No look-ahead without a slot: it is time ahead of live slots, not instead of them.
  const ahead = live === 0 ? 0 : Math.floor(snapshot.recent);
  let waiting = 0;
  for (const other of snapshot.classes) {
    if (other.queued === 0) continue;
    waiting +=
      other.key === key ? other.queued : Math.ceil((other.queued * coresOf(other.resources)) / coresOf(resources));
  }
  return { tasks: Math.max(0, Math.min(MAX_WINDOW_TASKS, slots + ahead - waiting)), bytes };
}

function coresOf({ cores, nodes = 1 }: ResourceClass["resources"]): number {
  return cores * nodes;
}
