/** Tasks that wait for a worker: one queue for each owner, runtime and resource class, oldest first. */
import type { Container } from "../../protocol/function.ts";
import { type Resources, resourceClass } from "../../protocol/task.ts";
import type { Runtime } from "./functions.ts";
import type { Task } from "./task.ts";

export type Queue = {
  readonly key: string;
  /** workers are shared by the queues of one key */
  readonly workerKey: string;
  /** which pins its workers have (pins.ts) */
  readonly pinClass: string;
  readonly owner: string;
  readonly runtime: Runtime;
  readonly resources: Resources;
  /** in which its tasks run */
  readonly container: Container | undefined;
  length(): number;
  first(): Task | undefined;
  push(task: Task): void;
  /** Puts tasks that were handed over but not started back to the front, in their order. */
  unshift(tasks: readonly Task[]): void;
  shift(): Task | undefined;
  pop(): Task | undefined;
};

export type Queues = {
  of(owner: string, resources: Resources, of: { runtime: Runtime; container?: Container | undefined }): Queue;
  /** Those with waiting tasks, the one whose first task came first in front. */
  waiting(): Queue[];
  length(): number;
};

/** The queues of one manager; a dropped task stays in its queue until it comes to the front. */
export function createQueues(pinClassOf: (need: Resources) => string): Queues {
  const queues = new Map<string, Queue>();
  return {
    of(owner, resources, { runtime, container }) {
      const key = JSON.stringify([owner, runtime, resourceClass(resources), container]);
      let queue = queues.get(key);
      if (!queue) {
        const pinClass = pinClassOf(resources);
        const workerKey = JSON.stringify([owner, runtime, resources.memoryMb, pinClass, container]);
        queue = { key, workerKey, pinClass, owner, runtime, resources, container, ...createDeque() };
        queues.set(key, queue);
      }
      return queue;
    },
    waiting() {
      const waiting: Queue[] = [];
      for (const queue of queues.values()) if (queue.first()) waiting.push(queue);
      if (waiting.length > 1) waiting.sort((a, b) => (a.first() as Task).arrivedAt - (b.first() as Task).arrivedAt);
      return waiting;
    },
    length() {
      let length = 0;
      for (const queue of queues.values()) length += queue.length();
      return length;
    },
  };
}

type Deque = Pick<Queue, "length" | "first" | "push" | "unshift" | "shift" | "pop">;

function createDeque(): Deque {
  let items: Task[] = [];
  let head = 0;
  const skip = () => {
    while (head < items.length && (items[head] as Task).dropped) head++;
    if (head === items.length && head > 0) {
      items = [];
      head = 0;
    } else if (head > 1024 && head * 2 > items.length) {
      items = items.slice(head);
      head = 0;
    }
  };
  return {
    length: () => items.length - head,
    first() {
      skip();
      return items[head];
    },
    push: (task) => items.push(task),
    unshift(tasks) {
      items = [...tasks, ...items.slice(head)];
      head = 0;
    },
    shift() {
      skip();
      return head < items.length ? items[head++] : undefined;
    },
    pop() {
      skip();
      while (items.length > head && (items[items.length - 1] as Task).dropped) items.pop();
      return items.length > head ? items.pop() : undefined;
    },
  };
}
