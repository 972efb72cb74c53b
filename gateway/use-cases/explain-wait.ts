/** Why a task waits (promise 8), from what the gateway knows: the task's state, its endpoint, and what the agent last said. */
import type { Heartbeat } from "../../protocol/messages.ts";
import { DEFAULT_RESOURCES, type TaskView } from "../../protocol/task.ts";
import type { Gateway } from "../gateway.ts";
import type { AgentStatus } from "../ports.ts";
import type { EndpointRow, Store } from "../store/port.ts";
import { COUNT_CAP } from "./endpoint-view.ts";

/** A stable word for the reason, and a sentence with the facts. */
export type Wait = { reason: string; message: string };
type Block = Heartbeat["summary"]["blocks"][number];

/** The reason, or null when the task runs or has ended. */
export async function explainWait(
  { store, dispatcher }: Pick<Gateway, "store" | "dispatcher">,
  view: TaskView,
): Promise<Wait | null> {
  if (view.state === "held") return { reason: "dependency", message: "a task that this one depends on has not ended" };
  if (view.state === "staging") return { reason: "staging", message: "its files are being brought to the endpoint" };
  if (view.state === "waiting") {
    const at = view.retryAt === null ? "soon" : `at ${new Date(view.retryAt).toISOString()}`;
    return { reason: "retry", message: `attempt ${view.attempt} failed; the next one comes ${at}` };
  }
  if (view.state === "leased") return explainLeased(view, dispatcher.status(view.endpoint).summary);
  if (view.state !== "queued") return null;
  const row = await store.getEndpoint(view.endpoint);
  if (!row) return { reason: "endpoint-deleted", message: `the endpoint ${view.endpointName} does not exist any more` };
  const ahead = await queuedAhead(store, view);
  return explainQueued({ view, row, status: dispatcher.status(row.id), ahead });
}

/** The reason why a queued task is not handed out: pure, so that every case can be tested. */
export function explainQueued(facts: {
  view: Pick<TaskView, "spec">;
  row: Pick<EndpointRow, "name" | "epoch" | "draining">;
  status: AgentStatus;
  /** tasks before it in the queue */
  ahead: string;
}): Wait {
  const { view, row, status, ahead } = facts;
  const { summary } = status;
  if (row.epoch === 0)
    return { reason: "endpoint-never-started", message: `the endpoint ${row.name} has never been started` };
  if (!status.online || !summary) return offline(row.name, status.lastSeenAt);
  if (row.draining || summary.state === "draining") {
    return { reason: "endpoint-draining", message: `the endpoint ${row.name} drains and takes nothing new` };
  }
  if (summary.trouble !== null) return { reason: "endpoint-trouble", message: `${row.name}: ${summary.trouble}` };
  const running = summary.blocks.filter(({ state }) => state === "running");
  const pending = summary.blocks.find(isPending);
  const cores = (view.spec.resources ?? DEFAULT_RESOURCES).cores;
  if (running.length > 0 && running.every(({ slots, nodes }) => slots / Math.max(1, nodes) < cores)) {
    return {
      reason: "no-slot-big-enough",
      message: `it asks for ${cores} cores on one node; no block of ${row.name} has that`,
    };
  }
  if (pending) return pendingBlock(pending);
  if (summary.slots === 0 && summary.maxBlocks === 0) {
    return { reason: "no-blocks-allowed", message: `maxBlocks of ${row.name} is 0` };
  }
  const until = summary.slots === 0 ? untilEnded(summary) : undefined;
  if (until !== undefined) return { reason: "max-blocks", message: `${until}; ${ahead}` };
  if (summary.slots === 0)
    return { reason: "block-starting", message: `${row.name} is about to ask for a block; ${ahead}` };
  if (summary.busy < summary.slots)
    return { reason: "queued", message: `a slot is free and the hand-out is under way; ${ahead}` };
  if (summary.blocks.length >= summary.maxBlocks) {
    return {
      reason: "max-blocks",
      message: `all ${summary.slots} slots are busy and maxBlocks (${summary.maxBlocks}) is reached; ${ahead}`,
    };
  }
  return { reason: "queued", message: `all ${summary.slots} slots of ${row.name} are busy; ${ahead}` };
}

/** The reason why a task that was handed out does not start: its slot may have gone with its block. */
export function explainLeased({ endpointName }: Pick<TaskView, "endpointName">, summary: AgentStatus["summary"]): Wait {
  const lost = summary?.slots === 0 ? summary : undefined;
  if (lost && lost.trouble !== null) return { reason: "endpoint-trouble", message: `${endpointName}: ${lost.trouble}` };
  const pending = lost?.blocks.find(isPending);
  if (pending) return pendingBlock(pending);
  const until = lost && untilEnded(lost);
  if (until !== undefined) return { reason: "max-blocks", message: `${endpointName} has it; ${until}` };
  return { reason: "handed-out", message: `${endpointName} has it and starts it when a worker is free` };
}

/** While a block ends it counts, so that no other may be asked for. */
function untilEnded({ blocks, maxBlocks }: Heartbeat["summary"]): string | undefined {
  const ending = blocks.find(({ state }) => state === "draining");
  if (ending === undefined || blocks.length < maxBlocks) return undefined;
  return `maxBlocks (${maxBlocks}) is reached until block ${ending.id} has ended`;
}

function isPending({ state }: Block): boolean {
  return state === "pending" || state === "held" || state === "unknown";
}

function offline(name: string, lastSeenAt: number | null): Wait {
  const seen = lastSeenAt === null ? "" : `; last seen ${new Date(lastSeenAt).toISOString()}`;
  return { reason: "endpoint-offline", message: `the agent of ${name} is not connected${seen}` };
}

function pendingBlock({ id, job, state, reason }: Block): Wait {
  const words = reason ?? "the scheduler gave no reason";
  if (state === "unknown" && job === null) {
    return { reason: "block-unknown", message: `whether block ${id} was submitted is not known: ${words}` };
  }
  return {
    reason: `block-${state}`,
    message: `block ${id}${job === null ? "" : ` (job ${job})`} is ${state}: ${words}`,
  };
}

async function queuedAhead(store: Pick<Store, "countTasks">, view: TaskView): Promise<string> {
  const query = { owner: null, endpoint: view.endpoint, states: ["queued" as const], untilMs: view.submittedAt - 1 };
  const { queued } = await store.countTasks(query, COUNT_CAP);
  return `${queued >= COUNT_CAP ? `at least ${COUNT_CAP}` : queued} tasks were queued there before it`;
}
