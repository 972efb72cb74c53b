/** Short functions are sent ahead of their turn. When one runs long after all, those behind it are taken back. */
import type { HeldTask } from "./held-task.ts";
import type { Manager } from "./manager.ts";
import { observeRun, type SpecState } from "./spec-state.ts";
import { addUnits, countFitting } from "./units.ts";

/** No end at a manager for this long, while it holds more than it can run. */
const STUCK_MS = 250;

/** Asks managers that make no progress to give back what no worker has started. */
export function unstick(managers: Iterable<Manager>, now: number): void {
  for (const manager of managers) {
    const stuckMs = now - manager.progressAt;
    if (!manager.link || stuckMs < STUCK_MS) continue;
    const beyond = heldBeyondCapacity(manager);
    if (beyond === 0) continue;
    const specs = new Set<SpecState>();
    for (const task of manager.tasks) if (task.spec && task.spec.share > 1) specs.add(task.spec);
    // What was seen of it is an end that did not come: its tasks are sent one by one until some have ended.
    for (const spec of specs) observeRun(spec, stuckMs * 10);
    // Those that run took a part of a place each; as long as they do, what is given back would come again.
    for (const task of manager.tasks) takeWholePlace(task, manager);
    manager.link.send({ kind: "give-back", count: beyond });
    manager.progressAt = now;
  }
}

/** How many of its tasks find no place while each has one to itself. Tasks on nodes are counted by nodes, not here. */
function heldBeyondCapacity({ tasks, capacity }: Manager): number {
  const free = { ...capacity };
  let beyond = 0;
  for (const { spec } of tasks) {
    // Adopted ones were started, and nobody knows what they need.
    if (!spec || spec.class.resources.nodes !== undefined) continue;
    if (countFitting(free, spec.class.cost) === 0) beyond++;
    else addUnits(free, spec.class.cost, -1);
  }
  return beyond;
}

function takeWholePlace(task: HeldTask, { free }: Manager): void {
  if (!task.spec || !task.cost || task.spec.class.resources.nodes !== undefined) return;
  addUnits(free, task.cost, 1);
  task.cost = task.spec.class.cost;
  addUnits(free, task.cost, -1);
}
