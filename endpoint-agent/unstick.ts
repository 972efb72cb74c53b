/** Short functions are sent ahead of their turn. When one runs long after all, those behind it are taken back. */
import type { Manager } from "./manager.ts";
import { observeRun, type SpecState } from "./spec-state.ts";
import { SCALE } from "./units.ts";

/** No end at a manager for this long, while it holds more than it can run. */
const STUCK_MS = 250;

/** Asks managers that make no progress to give back what no worker has started. */
export function unstick(managers: Iterable<Manager>, now: number): void {
  for (const manager of managers) {
    const stuckMs = now - manager.progressAt;
    const beyond = manager.tasks.size - manager.capacity.places / SCALE;
    if (!manager.link || beyond <= 0 || stuckMs < STUCK_MS) continue;
    const specs = new Set<SpecState>();
    for (const task of manager.tasks) if (task.spec && task.spec.share > 1) specs.add(task.spec);
    // What was seen of it is an end that did not come: its tasks are sent one by one until some have ended.
    for (const spec of specs) observeRun(spec, stuckMs * 10);
    if (specs.size > 0) manager.link.send({ kind: "give-back", count: Math.ceil(beyond) });
    manager.progressAt = now;
  }
}
