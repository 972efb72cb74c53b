/** After a reset of the event stream: finds out, without events, what became of the calls that are pending. */
import { ApiError, ERRORS } from "../../protocol/errors.ts";
import { isTerminal, type TaskView } from "../../protocol/task.ts";
import { TaskError } from "../errors.ts";
import type { HttpClient } from "../http/client.ts";
import type { Call } from "./call.ts";
import type { Pending } from "./pending.ts";

/** Ends those of the pending calls that have ended, and as LOST those that the gateway does not know any more. */
export async function recover(
  http: Pick<HttpClient, "call">,
  pending: Pending,
  groups: readonly string[],
): Promise<void> {
  // Only what was accepted before the listing began must be in it.
  const expected = new Map<string, Call>();
  for (const call of pending.calls.values()) if (call.phase === "accepted") expected.set(call.id, call);
  let oldest = "~";
  for (const id of expected.keys()) if (id < oldest) oldest = id;
  for (const group of groups) {
    if (expected.size === 0) return;
    await listGroup(http, group, oldest, (task) => {
      expected.delete(task.id);
      const call = pending.calls.get(task.id);
      if (call) endAs(pending, call, task);
    });
  }
  for (const call of expected.values()) await checkOne(http, pending, call);
}

async function listGroup(
  http: Pick<HttpClient, "call">,
  group: string,
  oldest: string,
  onTask: (task: TaskView) => void,
): Promise<void> {
  let cursor: string | null = null;
  do {
    const query = { group, limit: 1000, ...(cursor === null ? {} : { cursor }) };
    const page: { items: TaskView[]; cursor: string | null } = await http.call("listTasks", { query });
    for (const task of page.items) onTask(task);
    const last = page.items.at(-1);
    // Newest first, and ids grow with time: beyond the oldest pending one there is nothing to find.
    cursor = last === undefined || last.id < oldest ? null : page.cursor;
  } while (cursor !== null);
}

async function checkOne(http: Pick<HttpClient, "call">, pending: Pending, call: Call): Promise<void> {
  try {
    endAs(pending, call, await http.call("getTask", { params: { task: call.id } }));
  } catch (error) {
    if (!(error instanceof ApiError) || (error.code !== "NOT_FOUND" && error.code !== "GONE")) throw error;
    pending.fail(call, new TaskError(call.id, { code: "LOST", message: ERRORS.LOST.what }));
  }
}

function endAs(pending: Pending, call: Call, task: TaskView): void {
  if (!isTerminal(task.state)) {
    call.state = task.state;
    return;
  }
  pending.end(call, {
    id: task.id,
    state: task.state,
    endpoint: task.endpointName,
    ...(task.failure === null ? {} : { failure: task.failure }),
  });
}
