/** Waits for a task's end through the hub: no polling, and no timer but the one deadline. */
import { isTerminal, type TaskView } from "../../protocol/task.ts";
import type { Hub } from "../events/hub.ts";
import type { Store } from "../store/port.ts";

/**
 * The task as it stands at its end, or after `waitMs`, or when the signal gives up. Undefined when there is none of that id
 * for that owner.
 */
export async function waitForEnd(
  { hub, store }: { hub: Pick<Hub, "onEnd">; store: Pick<Store, "getTask"> },
  task: { id: string; owner: string | null },
  options: { waitMs: number; signals: readonly AbortSignal[] },
): Promise<TaskView | undefined> {
  if (options.waitMs === 0) return store.getTask(task.id, task.owner);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  // Before the first look: an end between the look and the waiting would be missed.
  const stop = hub.onEnd(task.id, resolve);
  const timer = setTimeout(resolve, options.waitMs);
  const giveUp = () => resolve();
  for (const signal of options.signals) signal.addEventListener("abort", giveUp);
  try {
    const view = await store.getTask(task.id, task.owner);
    if (!view || isTerminal(view.state) || options.signals.some(({ aborted }) => aborted)) return view;
    await ended;
    return await store.getTask(task.id, task.owner);
  } finally {
    stop();
    clearTimeout(timer);
    // The signals of a token and of the gateway outlive the request by far.
    for (const signal of options.signals) signal.removeEventListener("abort", giveUp);
  }
}
