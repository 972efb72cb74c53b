/** After an agent's restart: nodes of commands that went on stay theirs, as their managers connect again in any order. */
import type { HeldTask } from "./held-task.ts";
import type { Manager } from "./manager.ts";
import { isWhole } from "./placement-on-nodes.ts";
import { addUnits } from "./units.ts";

export type AdoptedNodes = {
  /** The manager runs the task, which has these hosts, its own first. */
  runs(task: HeldTask, manager: Manager, hosts: readonly string[]): void;
  /** A manager may get work from now on, unless it is one of those. */
  attached(manager: Manager): void;
};

/** Keeps the nodes that are still missing. */
export function createAdoptedNodes(managers: ReadonlySet<Manager>): AdoptedNodes {
  const missing = new Map<HeldTask, string[]>();
  const take = (task: HeldTask, hosts: string[], other: Manager) => {
    const runner = task.manager;
    if (!runner || other === runner || other.hello.block !== runner.hello.block || !isWhole(other)) return;
    const at = hosts.indexOf(other.hello.host);
    if (at < 0) return;
    hosts.splice(at, 1);
    addUnits(other.free, other.capacity, -1);
    other.idleSince = undefined;
    task.others = [...task.others, other];
  };
  return {
    runs(task, manager, hosts) {
      task.cost = { ...manager.capacity };
      addUnits(manager.free, manager.capacity, -1);
      const rest = hosts.slice(1);
      missing.set(task, rest);
      for (const other of managers) take(task, rest, other);
    },
    attached(manager) {
      for (const [task, hosts] of missing) {
        if (task.phase === "ended" || hosts.length === 0) missing.delete(task);
        else take(task, hosts, manager);
      }
    },
  };
}
