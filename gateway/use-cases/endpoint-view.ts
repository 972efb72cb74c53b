/** An endpoint as the API shows it: its row, what its agent last said, and what waits and runs there. */
import type { EndpointView } from "../../protocol/endpoint.ts";
import type { AgentStatus, Dispatcher } from "../ports.ts";
import type { EndpointRow, Store } from "../store/port.ts";

/** Counts go up to here. */
export const COUNT_CAP = 10_000;

/** Puts the view together. */
export async function endpointView(
  { store, dispatcher }: { store: Pick<Store, "countTasks">; dispatcher: Pick<Dispatcher, "status"> },
  row: EndpointRow,
): Promise<EndpointView> {
  const status = dispatcher.status(row.id);
  const states: ("queued" | "waiting" | "leased" | "running")[] = ["queued", "waiting", "leased", "running"];
  const counts = await store.countTasks({ owner: null, endpoint: row.id, states }, COUNT_CAP);
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    description: row.description,
    state: endpointState(row, status),
    epoch: row.epoch,
    lastSeenAt: status.lastSeenAt,
    registeredAt: row.registeredAt,
    queued: (counts.queued ?? 0) + (counts.waiting ?? 0),
    leased: counts.leased ?? 0,
    running: counts.running ?? 0,
    summary: status.summary,
  };
}

/** One word for how an endpoint stands. */
export function endpointState(row: EndpointRow, status: AgentStatus): EndpointView["state"] {
  if (row.epoch === 0) return "never-started";
  if (!status.online) return "offline";
  return row.draining || status.summary?.state === "draining" ? "draining" : "online";
}
