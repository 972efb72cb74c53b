/** What the small gateway shows of its tasks. */
import { isTerminal } from "../../../protocol/task.ts";
import type { SmallTask } from "./small-gateway.ts";

/** A task as the API shows it, as far as the SDK looks. */
export function viewOf(task: SmallTask): Record<string, unknown> & { id: string } {
  const { id, event, endedAt } = task;
  return { id, state: event.state, endpointName: "small", failure: event.failure ?? null, endedAt: endedAt ?? null };
}

/** One page of the tasks of a group. The cursor is the number of those that were shown. */
export function listTasks(tasks: Iterable<SmallTask>, search: URLSearchParams): unknown {
  const states = search.getAll("state");
  const found = [...tasks].filter(
    ({ spec, event }) => spec.group === search.get("group") && (states.length === 0 || states.includes(event.state)),
  );
  const sign = search.get("order") === "oldest" ? 1 : -1;
  found.sort((a, b) => (a.id < b.id ? -sign : sign));
  const from = Number(search.get("cursor") ?? 0);
  const to = from + Number(search.get("limit") ?? 100);
  return { items: found.slice(from, to).map(viewOf), cursor: to < found.length ? String(to) : null };
}

/** Tasks by state. */
export function countTasks(tasks: Iterable<SmallTask>, search: URLSearchParams, cappedAt: number): unknown {
  const counts: Record<string, number> = {};
  for (const { spec, event } of tasks) {
    if (spec.group === search.get("group")) counts[event.state] = Math.min(cappedAt, (counts[event.state] ?? 0) + 1);
  }
  return { counts, cappedAt };
}

/** A result as JSON. */
export function resultOf({ id, event, result }: SmallTask): Record<string, unknown> {
  if (!isTerminal(event.state) || event.state !== "succeeded") return { ...event };
  return { id, state: event.state, encoding: event.encoding, base64: Buffer.from(result ?? []).toString("base64") };
}
