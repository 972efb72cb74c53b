/** The calls that have not ended, and what the event stream says of them. */
import type { TaskEvent } from "../../protocol/events.ts";
import { decodeValue } from "../../protocol/payload.ts";
import { type Attempt, type Encoding, isTerminal, type TaskFailure, type TaskState } from "../../protocol/task.ts";
import { TaskError } from "../errors.ts";
import type { Call } from "./call.ts";

export type PendingDeps = {
  /** The result of a task whose event did not carry it. */
  fetchResult(taskId: string): Promise<unknown>;
  /** Nothing is pending any more, or something is again. */
  onNeed(needed: boolean): void;
  onRemoved(call: Call, wasAccepted: boolean): void;
};

export type Pending = {
  readonly calls: ReadonlyMap<string, Call>;
  add(call: Call): void;
  /** What an event message says; payloads are views on `body`. */
  take(events: readonly TaskEvent[], body: Uint8Array): void;
  /** The end of one task, found out otherwise than by an event. */
  end(call: Call, event: TaskEvent): void;
  fail(call: Call, error: unknown): void;
};

/** A result's bytes, or its JSON. */
type Payload = Uint8Array | string;

const SMALL_RESULT_BYTES = 512;
const decoder = new TextDecoder();

/** Makes the table of pending calls. */
export function createPending(deps: PendingDeps): Pending {
  const calls = new Map<string, Call>();

  function remove(call: Call): boolean {
    const { phase } = call;
    if (phase === "ended") return false;
    call.phase = "ended";
    call.text = undefined;
    call.bytes = undefined;
    calls.delete(call.id);
    deps.onRemoved(call, phase === "accepted");
    return true;
  }

  // A listener runs before the stream is let go, so that a next call finds it open.
  function afterEnd(): void {
    if (calls.size === 0) deps.onNeed(false);
  }

  function fail(call: Call, error: unknown): void {
    if (!remove(call)) return;
    call.listener.failed(call, error);
    afterEnd();
  }

  function end(call: Call, event: TaskEvent, payload?: Payload): void {
    call.state = event.state;
    if (event.state !== "succeeded") fail(call, taskErrorOf(event));
    else if (payload !== undefined) succeedWith(call, event.encoding ?? "json", payload);
    else {
      deps.fetchResult(call.id).then(
        (value) => succeed(call, value),
        (error: unknown) => fail(call, error),
      );
    }
  }

  function succeedWith(call: Call, encoding: Encoding, payload: Payload): void {
    let value: unknown;
    try {
      if (typeof payload === "string") value = JSON.parse(payload);
      // The caller keeps raw bytes, and must not keep the whole message with them.
      else value = decodeValue(encoding, encoding === "raw" ? new Uint8Array(payload) : payload);
    } catch (error) {
      fail(call, error);
      return;
    }
    succeed(call, value);
  }

  function succeed(call: Call, value: unknown): void {
    if (!remove(call)) return;
    call.listener.succeeded(call, value);
    afterEnd();
  }

  return {
    calls,
    add(call) {
      calls.set(call.id, call);
      if (calls.size === 1) deps.onNeed(true);
    },
    take(events, body) {
      const text = asciiText(events.length, body);
      let offset = 0;
      for (const event of events) {
        const inline = event.blob === undefined && event.length !== undefined;
        const from = offset;
        if (inline) offset += event.length as number;
        const call = calls.get(event.id);
        if (call === undefined) continue;
        if (isTerminal(event.state)) {
          const isText = text !== undefined && (event.encoding ?? "json") === "json";
          if (!inline || event.omitted === true) end(call, event);
          else end(call, event, isText ? text.slice(from, offset) : body.subarray(from, offset));
        } else if (call.state !== event.state) {
          call.state = event.state;
          call.listener.changed?.(call);
        }
      }
    },
    end,
    fail,
  };
}

/**
 * The body of a message of small results as text, if each byte is one character: then text is cut where bytes would be, and
 * one decoding serves them all. UTF-8 never gives more characters than bytes, so the lengths are equal only then.
 */
function asciiText(events: number, body: Uint8Array): string | undefined {
  if (body.length === 0 || body.length > events * SMALL_RESULT_BYTES) return undefined;
  const text = decoder.decode(body);
  return text.length === body.length ? text : undefined;
}

/** What an event, a result and a task in a list say alike of an end. */
export type Ended = {
  id: string;
  state: TaskState;
  failure?: TaskFailure | undefined;
  endpoint?: string | undefined;
  attempts?: readonly Attempt[] | undefined;
};

/** The error of a task that ended otherwise than succeeded. */
export function taskErrorOf(event: Ended): TaskError {
  const failure = event.failure ?? failureOfState(event.state);
  return new TaskError(event.id, failure, {
    ...(event.endpoint === undefined ? {} : { endpoint: event.endpoint }),
    ...(event.attempts === undefined ? {} : { attempts: event.attempts }),
  });
}

function failureOfState(state: string): TaskFailure {
  if (state === "cancelled") return { code: "CANCELLED", message: "the task was cancelled" };
  if (state === "expired") return { code: "EXPIRED", message: "the task did not end within its time to live" };
  return { code: "INTERNAL", message: "the task failed, and the gateway did not say how" };
}
