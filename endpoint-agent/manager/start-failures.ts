/** What follows when a worker does not start: of a node's own trouble the manager ends, of a function's the function's tasks. */
import type { Container } from "../../protocol/function.ts";
import { whyNotStarted } from "./container-start.ts";
import type { Runtime } from "./functions.ts";
import type { PoolEvents } from "./pool.ts";
import type { Queues } from "./queues.ts";
import type { Runtimes } from "./runtimes.ts";
import type { Task, TaskEnd } from "./task.ts";

export type StartFailuresParts = {
  runtimes: Runtimes;
  queues: Queues;
  end(task: Task, end: TaskEnd): void;
  /** No worker of a runtime starts here. */
  onBroken(message: string): void;
};

const START_FAILURES = 3;

/** Handles the starts that fail. */
export function createStartFailures(parts: StartFailuresParts): PoolEvents["onStartFailure"] {
  const { runtimes, queues, end, onBroken } = parts;
  const failWaiting = (runtime: Runtime, container: Container | undefined, message: string) => {
    const words = container ? whyNotStarted(container, message) : message;
    const failure = { code: "LOAD_ERROR" as const, message: `no ${runtime} worker can be started: ${words}` };
    for (const queue of queues.waiting()) {
      if (queue.runtime !== runtime || JSON.stringify(queue.container) !== JSON.stringify(container)) continue;
      for (let task = queue.shift(); task; task = queue.shift()) {
        end(task, { outcome: "failed", started: false, failure });
      }
    }
  };
  return (runtime, message, { missing, exhausted, container }) => {
    if (exhausted) {
      // Several that were tried at once have failed for one reason.
      if (runtimes.mayStart(runtime)) runtimes.failed(runtime, false);
      return;
    }
    // What is wrong with an image is its functions' own trouble.
    if (container) {
      failWaiting(runtime, container, message);
      return;
    }
    const count = runtimes.failed(runtime, missing);
    if (missing) failWaiting(runtime, undefined, message);
    else if (count >= START_FAILURES) onBroken(`no ${runtime} worker starts on this node: ${message}`);
  };
}
