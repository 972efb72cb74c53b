/** Cancels tasks; which of cancel and end came first is settled in the store's transaction (FAULTS.md G7). */
import type { Gateway } from "../gateway.ts";
import type { TaskSelection } from "../store/port.ts";

/** What a cancel came to. */
export type Cancelled = { count: number; alreadyFinished: number; notFound: number };

/** Cancels what the selection names and tells agents to kill what they hold of it. */
export async function cancelSelected(
  { store, dispatcher }: Pick<Gateway, "store" | "dispatcher">,
  selection: TaskSelection,
): Promise<Cancelled> {
  // Slice by slice: the events of a million tasks are never there at once, nor are their ids.
  return store.cancel(selection, dispatcher.apply);
}
