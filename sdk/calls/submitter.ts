/** Sends calls in batches: all of one tick together, a few submits under way at a time, each repeated with the same ids. */
import { ApiError } from "../../protocol/errors.ts";
import { freeLarge } from "../../protocol/large-buffers.ts";
import type { SubmitAnswer } from "../../protocol/operations.ts";
import { batchEnd, encodeSubmit } from "./batch.ts";
import type { Call } from "./call.ts";
import { createRoom } from "./room.ts";

export type SubmitterDeps = {
  /** Resolves when the batch is on the gateway's disk; repeats by itself what may succeed later, but for QUEUE_FULL. */
  send(frame: Uint8Array): Promise<SubmitAnswer>;
  /** Resolves when the event stream would see the end of what is sent now; undefined when it would already. */
  ready(): Promise<void> | undefined;
  onAccepted(call: Call): void;
  /** Refused for good, or until something is mended: the owner decides. */
  onRefused(call: Call, error: unknown): void;
  maxSubmits: number;
  /** how long a full queue is waited out by calls that are not patient */
  fullForMs: number;
};

export type Submitter = {
  add(call: Call): void;
  /** A call of this client has ended, so there is room for another one. */
  ended(): void;
  /** Resolves when nothing waits to be sent or is under way. */
  settled(): Promise<void>;
};

/** Makes a submitter. */
export function createSubmitter(deps: SubmitterDeps): Submitter {
  let queue: Call[] = [];
  let head = 0;
  let underWay = 0;
  let scheduled = false;
  let waiters: (() => void)[] = [];
  const room = createRoom();

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    nextTick(pump);
  }

  function pump(): void {
    scheduled = false;
    const notReady = deps.ready();
    if (notReady) {
      scheduled = true;
      notReady.then(pump, (error: unknown) => {
        scheduled = false;
        refuseAll(takeAll(), error);
        checkSettled();
      });
      return;
    }
    while (underWay < deps.maxSubmits && head < queue.length && !room.full) {
      const end = batchEnd(queue, head, room.limit);
      const batch: Call[] = [];
      for (; head < end; head++) {
        const call = queue[head] as Call;
        if (call.phase === "unsent") batch.push(call);
      }
      if (batch.length > 0) void submit(batch);
    }
    if (head === queue.length) {
      queue = [];
      head = 0;
    } else if (head > 10_000) {
      queue = queue.slice(head);
      head = 0;
    }
    checkSettled();
  }

  async function submit(batch: Call[]): Promise<void> {
    underWay++;
    for (const call of batch) call.phase = "sent";
    try {
      const frame = encodeSubmit(batch);
      const answer = await deps.send(frame);
      // All of it has been read over there; without an answer it might still be on its way.
      freeLarge(frame);
      room.accepted(settle(batch, answer));
    } catch (error) {
      if (error instanceof ApiError && error.code === "QUEUE_FULL") {
        await holdBack(batch, error);
        return;
      }
      // One call that the gateway cannot take must not take the others with it.
      const parts = error instanceof ApiError && !error.retryable ? bySpec(batch) : [batch];
      if (parts.length > 1) for (const part of parts) await submit(part);
      else refuseAll(batch, error);
    } finally {
      underWay--;
      if (head < queue.length) schedule();
      else checkSettled();
    }
  }

  /** Puts the batch back in front and waits for room. The next one is smaller: a batch goes in as a whole or not at all. */
  async function holdBack(batch: readonly Call[], error: ApiError): Promise<void> {
    const wait = room.refused(batch.length, error);
    const impatient = room.fullMs() > deps.fullForMs;
    const kept: Call[] = [];
    for (const call of batch) {
      if (call.phase !== "sent") continue;
      if (impatient && !call.spec.patient) deps.onRefused(call, error);
      else {
        call.phase = "unsent";
        kept.push(call);
      }
    }
    queue = [...kept, ...queue.slice(head)];
    head = 0;
    await wait;
  }

  /** Returns how many of the batch are accepted and have not ended yet. */
  function settle(batch: readonly Call[], answer: SubmitAnswer): number {
    const refused = answer.tasks.length === 0 ? undefined : new Map(answer.tasks.map((task) => [task.id, task]));
    let inside = 0;
    for (const call of batch) {
      const error = refused?.get(call.id);
      if (error) deps.onRefused(call, ApiError.fromJSON(error));
      else {
        deps.onAccepted(call);
        if (call.phase === "accepted") inside++;
      }
    }
    return inside;
  }

  function refuseAll(calls: readonly Call[], error: unknown): void {
    for (const call of calls) deps.onRefused(call, error);
  }

  function takeAll(): Call[] {
    const rest = queue.slice(head).filter((call) => call.phase === "unsent");
    queue = [];
    head = 0;
    return rest;
  }

  function checkSettled(): void {
    if (underWay > 0 || head < queue.length || waiters.length === 0) return;
    for (const resolve of waiters) resolve();
    waiters = [];
  }

  return {
    add(call) {
      call.phase = "unsent";
      queue.push(call);
      schedule();
    },
    ended: () => room.ended(),
    settled() {
      if (underWay === 0 && head === queue.length) return Promise.resolve();
      return new Promise((resolve) => waiters.push(resolve));
    },
  };
}

function bySpec(batch: readonly Call[]): Call[][] {
  const parts = new Map<string, Call[]>();
  for (const call of batch) {
    const key = call.spec.text as string;
    const part = parts.get(key);
    if (part) part.push(call);
    else parts.set(key, [call]);
  }
  return [...parts.values()];
}

// After the callbacks of this turn and before the next wait: what one turn submits goes out together, at once.
const nextTick: (run: () => void) => void =
  typeof (globalThis as { setImmediate?: unknown }).setImmediate === "function"
    ? (run) => void setImmediate(run)
    : queueMicrotask;
