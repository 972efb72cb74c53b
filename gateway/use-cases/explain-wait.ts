/** Why a task waits (promise 8), from what the gateway knows: the task's state, its endpoint, and what the agent last said. */
import type { Heartbeat } from "../../protocol/messages.ts";
import { DEFAULT_RESOURCES, type TaskView } from "../../protocol/task.ts";
import type { Gateway } from "../gateway.ts";
import type { AgentStatus } from "../ports.ts";
import type { EndpointRow, Store } from "../store/port.ts";
import { COUNT_CAP } from "./endpoint-view.ts";
import { lasting } from "./lasting.ts";

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
  if (view.state === "leased") {
    const { summary } = dispatcher.status(view.endpoint);
    return withExcluded(explainLeased(view, summary), summary);
  }
  if (view.state !== "queued") return null;
  const row = await store.getEndpoint(view.endpoint);
  if (!row) return { reason: "endpoint-deleted", message: `the endpoint ${view.endpointName} does not exist any more` };
  const ahead = await queuedAhead(store, view);
  const status = dispatcher.status(row.id);
  return withExcluded(explainQueued({ view, row, status, ahead }), status.summary);
}

/** What waits for blocks may wait because some nodes get none. */
export function withExcluded(wait: Wait, summary: AgentStatus["summary"]): Wait {
  const excluded = summary?.excludedNodes ?? [];
  if (excluded.length === 0 || !/^(?:endpoint-trouble|block-|max-blocks|handed-out)/.test(wait.reason)) return wait;
  const [first, ...more] = excluded.map(({ node, reason }) => `${node} (${reason})`);
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return {
    ...wait,
    message: `${wait.message}; left out, as managers fail there: node ${first}${others}`,
  };
}

/** The reason why a queued task is not handed out: pure, so that every case can be tested. */
export function explainQueued(facts: {
  view: Pick<TaskView, "spec">;
  row: Pick<EndpointRow, "name" | "epoch" | "draining">;
  status: AgentStatus;
  /** tasks before it in the queue */
  ahead: string;
  /** Unix milliseconds */
  now?: number;
}): Wait {
  const { view, row, status, ahead, now = Date.now() } = facts;
  const { summary } = status;
  if (row.epoch === 0)
    return {
      reason: "endpoint-never-started",
      message: `the endpoint ${row.name} has never been started; ${startIt(row.name)}`,
    };
  if (!status.online || !summary) return offline(row.name, status.lastSeenAt, now);
  if (row.draining || summary.state === "draining") {
    return { reason: "endpoint-draining", message: `the endpoint ${row.name} drains and takes nothing new` };
  }
  const trouble = troubleOf(row.name, summary, now);
  if (trouble) return trouble;
  const running = summary.blocks.filter(({ state }) => state === "running");
  const pending = oldestPending(summary.blocks);
  const { cores } = view.spec.resources ?? DEFAULT_RESOURCES;
  const largest = Math.max(0, ...running.map(({ slots, nodes }) => slots / Math.max(1, nodes)));
  if (running.length > 0 && largest < cores) {
    const message = `it fits no block: it asks for ${cores} cores on one node; the largest node of ${row.name} has ${Math.floor(largest)}`;
    return { reason: "no-slot-big-enough", message };
  }
  if (pending) return pendingBlock(pending, now);
  if (summary.slots === 0 && summary.maxBlocks === 0) {
    return { reason: "no-blocks-allowed", message: `maxBlocks of ${row.name} is 0` };
  }
  const until = summary.slots === 0 ? untilEnded(summary) : undefined;
  if (until !== undefined) return { reason: "max-blocks", message: `${until}; ${ahead}` };
  if (summary.slots === 0)
    return { reason: "block-starting", message: `${row.name} is about to ask for a block; ${ahead}` };
  if (summary.busy < summary.slots)
    return { reason: "queued", message: `a slot is free and the hand-out is under way; ${ahead}` };
  if (placesTaken(summary) >= summary.maxBlocks) {
    return {
      reason: "max-blocks",
      message: `all ${summary.slots} slots are busy and maxBlocks (${summary.maxBlocks}) is reached; ${ahead}`,
    };
  }
  return { reason: "queued", message: `all ${summary.slots} slots of ${row.name} are busy; ${ahead}` };
}

/** The reason why a task that was handed out does not start: its slot may have gone with its block. */
export function explainLeased(
  { endpointName }: Pick<TaskView, "endpointName">,
  summary: AgentStatus["summary"],
  now = Date.now(),
): Wait {
  const lost = summary?.slots === 0 ? summary : undefined;
  const trouble = lost && troubleOf(endpointName, lost, now);
  if (trouble) return trouble;
  const pending = lost && oldestPending(lost.blocks);
  if (pending) return pendingBlock(pending, now);
  const until = lost && untilEnded(lost);
  if (until !== undefined) return { reason: "max-blocks", message: `${endpointName} has it; ${until}` };
  return { reason: "handed-out", message: `${endpointName} has it and starts it when a worker is free` };
}

/** Why no block starts; while slots are there, failures that are being mended by the next try are nobody's reason to wait. */
function troubleOf(name: string, { trouble, failing, slots }: Heartbeat["summary"], now: number): Wait | undefined {
  const { failures = 0, reason = "", nextTryAt = null } = failing ?? {};
  const next = nextTryAt === null || nextTryAt <= now ? "" : `; the next try is in ${lasting(nextTryAt - now)}`;
  if (trouble !== null) return { reason: "endpoint-trouble", message: `${name}: ${trouble}${next}` };
  if (failures === 0 || slots > 0) return undefined;
  const which = failures === 1 ? "the last block failed" : `the last ${failures} blocks failed`;
  return { reason: "endpoint-trouble", message: `${name}: ${which}: ${reason}${next}` };
}

/** While a block ends it counts, so that no other may be asked for. */
function untilEnded({ blocks, maxBlocks }: Heartbeat["summary"]): string | undefined {
  const ending = blocks.find(({ state }) => state === "draining");
  if (ending === undefined || placesTaken({ blocks }) < maxBlocks) return undefined;
  return `maxBlocks (${maxBlocks}) is reached until block ${ending.id} has ended`;
}

/** What its scheduler has lost takes none. */
function placesTaken({ blocks }: Pick<Heartbeat["summary"], "blocks">): number {
  return blocks.filter(({ state }) => state !== "lost").length;
}

function isPending({ state }: Block): boolean {
  return state === "pending" || state === "held" || state === "unknown";
}

/** The one that was asked for first. */
function oldestPending(blocks: readonly Block[]): Block | undefined {
  const age = ({ submittedAt, since }: Block) => submittedAt ?? since;
  return blocks.filter(isPending).sort((a, b) => age(a) - age(b))[0];
}

function offline(name: string, lastSeenAt: number | null, now: number): Wait {
  const seen =
    lastSeenAt === null ? "" : `; last seen ${lasting(now - lastSeenAt)} ago, at ${new Date(lastSeenAt).toISOString()}`;
  return { reason: "endpoint-offline", message: `the agent of ${name} is not connected${seen}; ${startIt(name)}` };
}

function startIt(name: string): string {
  return `\`farcall endpoint start ${name}\` on its machine starts it`;
}

function pendingBlock({ id, job, state, reason, since, submittedAt = since }: Block, now: number): Wait {
  const words = reason ?? "the scheduler has given no reason yet";
  if (state === "unknown" && job === null) {
    return { reason: "block-unknown", message: `whether block ${id} was submitted is not known: ${words}` };
  }
  if (state === "pending" && job === null) {
    return {
      reason: "block-pending",
      message: `block ${id} is being submitted, for ${lasting(now - submittedAt)} now`,
    };
  }
  const named = job === null ? `block ${id}` : `block ${id} (job ${job})`;
  return { reason: `block-${state}`, message: `${named} is ${state} for ${lasting(now - submittedAt)}: ${words}` };
}

async function queuedAhead(store: Pick<Store, "countTasks">, view: TaskView): Promise<string> {
  const query = { owner: null, endpoint: view.endpoint, states: ["queued" as const], untilMs: view.submittedAt - 1 };
  const { queued } = await store.countTasks(query, COUNT_CAP);
  return `${queued >= COUNT_CAP ? `at least ${COUNT_CAP}` : queued} tasks were queued there before it`;
}
