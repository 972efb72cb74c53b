/** Tasks by id: what happened to them, their results and output, and what can be done to them. */
import { newId } from "../../protocol/ids.ts";
import type { QueryOf, ResponseOf } from "../../protocol/operations.ts";
import { decodeValue } from "../../protocol/payload.ts";
import { isTerminal, type TaskState, type TaskView } from "../../protocol/task.ts";
import { taskErrorOf } from "../calls/pending.ts";
import type { HttpClient } from "../http/client.ts";
import { bytesOfBase64 } from "./base64.ts";
import { createListing, type Listing } from "./listing.ts";
import { followLogs, type LogChunk, type TaskLogs } from "./logs.ts";

/** How long one request for a result waits. */
const WAIT_MS = 30_000;

/**
 * Which tasks are meant. `since` and `until` are ages (90s, 15m, 1h, 7d), Unix milliseconds or ISO dates, by the gateway's
 * clock.
 *
 * @example
 * const lately: TaskQuery = { state: ["failed", "expired"], since: "1h", limit: 20 };
 */
export type TaskQuery = Omit<QueryOf<"listTasks">, "state"> & { state?: TaskState | readonly TaskState[] };

/**
 * What `farcall.tasks` offers. Times shown and filtered are the gateway's.
 *
 * @example
 * const { items } = await farcall.tasks.list({ state: "failed", since: "1h" });
 */
export type TasksApi = {
  /** Newest first: awaited one page, with `for await` all of them. */
  list(query?: TaskQuery): Listing<TaskView>;
  /** A task with its attempts, and why it waits. */
  get(id: string): Promise<ResponseOf<"getTask">>;
  /** Tasks by state, each counted up to `cappedAt`. */
  counts(query?: Omit<TaskQuery, "cursor" | "limit" | "order">): Promise<ResponseOf<"countTasks">>;
  cancel(id: string): Promise<ResponseOf<"cancelTask">>;
  /** Submits a finished task again, as a new one with `retryOf`. */
  retry(id: string): Promise<{ id: string }>;
  /** Waits for the end and gives the value; throws TaskError when it ended otherwise. */
  result<T = unknown>(id: string, options?: { signal?: AbortSignal }): Promise<T>;
  /** The tails of stdout and stderr. */
  logs(id: string): Promise<TaskLogs>;
  /** The output as it is written, until the task ends. */
  follow(id: string, options?: { signal?: AbortSignal }): AsyncIterable<LogChunk>;
};

/** Makes the API over an HTTP client. */
export function createTasksApi(http: HttpClient): TasksApi {
  return {
    list: (query = {}) => createListing(mutable(query), (page) => http.call("listTasks", { query: page })),
    get: (id) => http.call("getTask", { params: { task: id } }),
    counts: (query = {}) => http.call("countTasks", { query: mutable(query) }),
    cancel: (id) => http.call("cancelTask", { params: { task: id } }),
    // The new id is made here, so that repeating the request is safe.
    retry: (id) => http.call("retryTask", { params: { task: id }, body: { id: newId() } }),
    result: <T>(id: string, { signal }: { signal?: AbortSignal } = {}) => waitForResult<T>(http, id, signal),
    logs: (id) => http.call("taskLogs", { params: { task: id } }),
    follow: (id, options = {}) => followLogs(http, id, options.signal),
  };
}

/** The table's type of a query has no read-only lists. */
function mutable<Q extends Pick<TaskQuery, "state">>({
  state,
  ...query
}: Q): Omit<Q, "state"> & { state?: string | string[] } {
  return state === undefined ? query : { ...query, state: typeof state === "string" ? state : [...state] };
}

async function waitForResult<T>(http: HttpClient, id: string, signal: AbortSignal | undefined): Promise<T> {
  const request = { params: { task: id }, query: { waitMs: WAIT_MS }, ...(signal ? { signal } : {}) };
  for (;;) {
    const result = await http.call("taskResult", request);
    if (!isTerminal(result.state)) continue;
    if (result.state !== "succeeded") throw taskErrorOf(result);
    return (await resultValue(http, result, signal)) as T;
  }
}

async function resultValue(http: HttpClient, result: ResponseOf<"taskResult">, signal?: AbortSignal): Promise<unknown> {
  if ("value" in result && result.blob === undefined) return result.value;
  const encoding = result.encoding ?? "json";
  if (result.base64 !== undefined) return decodeValue(encoding, bytesOfBase64(result.base64));
  const { bytes } = await http.read("taskResultBytes", { params: { task: result.id }, ...(signal ? { signal } : {}) });
  return decodeValue(encoding, bytes);
}
