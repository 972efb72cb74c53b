/** What is free on this node. */
import type { Resources } from "../../protocol/task.ts";

export type NodeResources = {
  /** Whether one more such task fits now. */
  fits(need: Resources): boolean;
  /** How many more such tasks fit now. */
  room(need: Resources): number;
  take(need: Resources): void;
  release(need: Resources): void;
  /** How many tasks hold resources. */
  busy(): number;
};

/** Counts cores, memory, GPUs and slots; `slots` bounds how many tasks run at once whatever they need. */
export function createNodeResources(capacity: Resources, slots: number): NodeResources {
  const free = { ...capacity, nodes: capacity.nodes ?? 0 };
  let busy = 0;
  /** without nodes beside it, a task on nodes has all the cores instead */
  const nodesOf = (need: Resources) => (capacity.nodes === undefined ? 0 : (need.nodes ?? 0));
  const room = (need: Resources) =>
    Math.min(
      slots - busy,
      need.cores > 0 ? Math.floor(free.cores / need.cores) : slots,
      nodesOf(need) > 0 ? Math.floor(free.nodes / nodesOf(need)) : slots,
      need.memoryMb > 0 ? Math.floor(free.memoryMb / need.memoryMb) : slots,
      need.gpus > 0 ? Math.floor(free.gpus / need.gpus) : slots,
    );
  const add = (need: Resources, sign: 1 | -1) => {
    free.cores += sign * need.cores;
    free.memoryMb += sign * need.memoryMb;
    free.gpus += sign * need.gpus;
    free.nodes += sign * nodesOf(need);
    busy -= sign;
  };
  return {
    fits: (need) => room(need) >= 1,
    room,
    take: (need) => add(need, -1),
    release: (need) => add(need, 1),
    busy: () => busy,
  };
}
