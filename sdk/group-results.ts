/** The results of a group: from its first task on, those that ended while nobody looked included. */
import type { TaskEvent } from "../protocol/events.ts";
import { decodeValue } from "../protocol/payload.ts";
import { isTerminal, type TaskView, TERMINAL_STATES } from "../protocol/task.ts";
import type { TasksApi } from "./api/tasks.ts";
import { taskErrorOf } from "./calls/pending.ts";
import { readGroupStream } from "./group-stream.ts";
import type { HttpClient } from "./http/client.ts";

/**
 * How one task of a group ended.
 *
 * @example
 * for await (const { taskId, value, error } of farcall.group("run-7").results()) console.log(taskId, error ?? value);
 */
export type GroupResult<T = unknown> =
  | { readonly taskId: string; readonly value: T; readonly error?: undefined }
  | { readonly taskId: string; readonly value?: undefined; readonly error: unknown };

export type GroupDeps = {
  http: HttpClient;
  tasks: TasksApi;
  retry: { retryForMs: number; connectForMs: number };
  /** calls of the group that this client has not got accepted yet */
  unsent(group: string): number;
};

/** An end that was listed this long before the stream began cannot come again as an event. */
const OVERLAP_MS = 60_000;

/** Yields every end once; over when every task of the group has ended. Another reset in between may repeat some. */
export async function* readGroupResults(
  deps: GroupDeps,
  group: string,
  signal?: AbortSignal,
): AsyncGenerator<GroupResult> {
  const { http } = deps;
  const me = await http.call("me", signal ? { signal } : {});
  const stream = { group, after: `${me.generation}.0`, results: true, signal, retry: deps.retry };
  /** ends that were listed and may come again as events */
  const listed = new Set<string>();
  let yielded = 0;
  let barrier: string | undefined;
  for await (const item of readGroupStream(http, stream)) {
    if (item === "quiet") {
      const state = await groupState(deps, group);
      if (state.unfinished > 0) barrier = undefined;
      else if (state.exact) {
        if (yielded >= state.finished) return;
      } else barrier ??= await currentEventId(deps, group);
      continue;
    }
    const { message, body } = item;
    if (message.kind === "reset") {
      for await (const task of deps.tasks.list({ group, state: TERMINAL_STATES, order: "oldest" })) {
        if (listed.has(task.id)) continue;
        if ((task.endedAt ?? 0) > me.now - OVERLAP_MS) listed.add(task.id);
        yielded++;
        yield await resultOfView(deps, task);
      }
    } else if (message.kind === "tasks") {
      for (const { event, bytes } of cut(message.tasks, body)) {
        if (!isTerminal(event.state) || listed.delete(event.id)) continue;
        yielded++;
        yield await resultOfEvent(deps, event, bytes);
      }
    }
    if (barrier !== undefined && reaches(message.id, barrier)) return;
  }
}

/** Resolves when every task of the group has ended; to how many ended how, each counted up to a cap. */
export async function waitForGroup(
  deps: GroupDeps,
  group: string,
  signal?: AbortSignal,
): Promise<Record<string, number>> {
  const stream = { group, after: undefined, results: false, signal, retry: deps.retry };
  for await (const item of readGroupStream(deps.http, stream)) {
    if (item !== "quiet" && item.message.kind !== "hello") continue;
    const { unfinished, counts } = await groupState(deps, group);
    if (unfinished === 0) return counts;
  }
  return {};
}

type GroupState = { unfinished: number; finished: number; exact: boolean; counts: Record<string, number> };

async function groupState({ tasks, unsent }: GroupDeps, group: string): Promise<GroupState> {
  // Asked before the count: what is accepted in between is in the count.
  const waiting = unsent(group);
  const { counts, cappedAt } = await tasks.counts({ group });
  let unfinished = waiting;
  let finished = 0;
  for (const [state, count] of Object.entries(counts)) {
    if (isTerminal(state as TaskView["state"])) finished += count;
    else unfinished += count;
  }
  return { unfinished, finished, exact: Object.values(counts).every((count) => count < cappedAt), counts };
}

/** Where the gateway's events stand now: what is committed has an id up to this. */
async function currentEventId(deps: GroupDeps, group: string): Promise<string | undefined> {
  const stream = { group, after: undefined, results: false, signal: undefined, retry: deps.retry };
  for await (const item of readGroupStream(deps.http, stream)) if (item !== "quiet") return item.message.id;
  return undefined;
}

/** Whether an event id is as far as another one, or of another generation, after which there is nothing to wait for. */
function reaches(id: string, barrier: string): boolean {
  const [generation, sequence] = splitId(id);
  const [otherGeneration, other] = splitId(barrier);
  return generation !== otherGeneration || sequence >= other;
}

function splitId(id: string): [string, number] {
  const dot = id.lastIndexOf(".");
  return [id.slice(0, dot), Number(id.slice(dot + 1))];
}

/** Events with the part of the body that is theirs. */
function* cut(events: readonly TaskEvent[], body: Uint8Array): Generator<{ event: TaskEvent; bytes?: Uint8Array }> {
  let offset = 0;
  for (const event of events) {
    if (event.length === undefined || event.blob !== undefined) yield { event };
    else {
      yield { event, bytes: body.subarray(offset, offset + event.length) };
      offset += event.length;
    }
  }
}

async function resultOfEvent(deps: GroupDeps, event: TaskEvent, bytes?: Uint8Array): Promise<GroupResult> {
  const taskId = event.id;
  if (event.state !== "succeeded") return { taskId, error: taskErrorOf(event) };
  if (bytes === undefined) return fetchResult(deps, taskId);
  const encoding = event.encoding ?? "json";
  return { taskId, value: decodeValue(encoding, encoding === "raw" ? new Uint8Array(bytes) : bytes) };
}

async function resultOfView(deps: GroupDeps, { id, state, failure, endpointName }: TaskView): Promise<GroupResult> {
  if (state === "succeeded") return fetchResult(deps, id);
  return { taskId: id, error: taskErrorOf({ id, state, failure: failure ?? undefined, endpoint: endpointName }) };
}

async function fetchResult({ tasks }: GroupDeps, taskId: string): Promise<GroupResult> {
  try {
    return { taskId, value: await tasks.result(taskId) };
  } catch (error) {
    return { taskId, error };
  }
}
