/** Tasks on several nodes: each gets whole nodes of one block at once, or, where one manager runs beside them, a number of them. */
import { uptimeMs } from "./clock.ts";
import type { HeldTask } from "./held-task.ts";
import type { Manager } from "./manager.ts";
import type { SpecState } from "./spec-state.ts";
import { addUnits } from "./units.ts";
import { fitsWalltime } from "./walltime-fit.ts";

type Options = { now: number; reserved: Set<Manager> };

/** Moves what fits; for what does not, the nodes that will be free first are kept from smaller tasks. */
export function placeOnNodes(spec: SpecState, managers: Iterable<Manager>, options: Options): void {
  const nodes = spec.class.resources.nodes as number;
  const usable = [...managers].filter(
    (manager) =>
      manager.link && !manager.draining && !options.reserved.has(manager) && fitsWalltime(spec, manager, options.now),
  );
  while (spec.queue.length > 0) {
    const party = partyFor(usable, nodes);
    if (!party) {
      for (const manager of soonest(usable, nodes)) options.reserved.add(manager);
      return;
    }
    assign(spec.queue.shift() as HeldTask, party, options.now);
  }
}

/** How many tasks of `nodes` nodes the managers could have at once, and could have now. */
export function roomOnNodes(managers: Iterable<Manager>, nodes: number): { live: number; free: number } {
  let live = 0;
  let free = 0;
  for (const block of byBlock([...managers].filter(({ link, draining }) => link && !draining)).values()) {
    for (const { hello, freeNodes } of block) {
      live += Math.floor((hello.capacity.nodes ?? 0) / nodes);
      free += Math.floor(freeNodes / nodes);
    }
    const whole = block.filter(({ hello }) => hello.capacity.nodes === undefined);
    live += Math.floor(whole.length / nodes);
    free += Math.floor(whole.filter(isWhole).length / nodes);
  }
  return { live, free };
}

/** Gives the nodes of a task back that it had beside its manager's own, or through it. */
export function leaveNodes(task: HeldTask, manager: Manager): void {
  if (manager.hello.capacity.nodes !== undefined) manager.freeNodes += task.spec?.class.resources.nodes ?? 0;
  for (const other of task.others) {
    addUnits(other.free, other.capacity, 1);
    if (other.tasks.size === 0) other.idleSince = uptimeMs();
  }
  task.others = [];
}

/** The block with the fewest free nodes that has enough, so that large gaps stay for large tasks. */
function partyFor(usable: readonly Manager[], nodes: number): Manager[] | undefined {
  const beside = usable.find(({ freeNodes }) => freeNodes >= nodes);
  if (beside) return [beside];
  let best: Manager[] | undefined;
  for (const block of byBlock(usable.filter(isWhole)).values()) {
    if (block.length >= nodes && (!best || block.length < best.length)) best = block;
  }
  // Neighbours in the scheduler's order are near each other in most networks.
  return best?.sort((a, b) => a.hello.node - b.hello.node).slice(0, nodes);
}

function soonest(usable: readonly Manager[], nodes: number): Manager[] {
  const beside = usable.find(({ hello }) => (hello.capacity.nodes ?? 0) >= nodes);
  if (beside) return [beside];
  let best: Manager[] = [];
  let bestBusy = Number.POSITIVE_INFINITY;
  for (const block of byBlock(usable.filter(({ hello }) => hello.capacity.nodes === undefined)).values()) {
    if (block.length < nodes) continue;
    const freest = block.sort((a, b) => b.free.cores - a.free.cores).slice(0, nodes);
    const busy = freest.reduce((sum, { capacity, free }) => sum + capacity.cores - free.cores, 0);
    if (busy < bestBusy) [best, bestBusy] = [freest, busy];
  }
  return best;
}

/** Nobody has anything of it. */
export function isWhole({ hello, tasks, free, capacity }: Manager): boolean {
  return hello.capacity.nodes === undefined && tasks.size === 0 && free.cores === capacity.cores;
}

function byBlock(managers: readonly Manager[]): Map<string, Manager[]> {
  const blocks = new Map<string, Manager[]>();
  for (const manager of managers) {
    const known = blocks.get(manager.hello.block);
    if (known) known.push(manager);
    else blocks.set(manager.hello.block, [manager]);
  }
  return blocks;
}

function assign(task: HeldTask, [first, ...others]: Manager[], now: number): void {
  const manager = first as Manager;
  const spec = task.spec as SpecState;
  task.phase = "placed";
  task.manager = manager;
  task.others = others;
  if (manager.hello.capacity.nodes !== undefined) manager.freeNodes -= spec.class.resources.nodes as number;
  else {
    task.cost = { ...manager.capacity };
    if (task.entry) task.entry.hosts = [manager, ...others].map(({ hello }) => hello.host);
    for (const each of [manager, ...others]) addUnits(each.free, each.capacity, -1);
  }
  for (const other of others) other.idleSince = undefined;
  if (manager.tasks.size === 0) manager.progressAt = now;
  manager.tasks.add(task);
  manager.idleSince = undefined;
  const { specs, tasks } = manager.outgoing;
  if (!specs.includes(spec)) specs.push(spec);
  tasks.push(task);
}
