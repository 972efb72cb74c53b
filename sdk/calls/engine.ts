/** The way of a call through a client: registered, encoded, uploaded if large, submitted, ended by the event stream. */
import { ApiError } from "../../protocol/errors.ts";
import { FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import { freeLarge } from "../../protocol/large-buffers.ts";
import type { SubmitAnswer } from "../../protocol/operations.ts";
import { INLINE_LIMIT_BYTES } from "../../protocol/task.ts";
import type { HttpClient } from "../http/client.ts";
import { sleep } from "../http/retry.ts";
import type { Call } from "./call.ts";
import { createCanceller } from "./canceller.ts";
import { createPayloads } from "./payloads.ts";
import { createPending } from "./pending.ts";
import { recover } from "./recover.ts";
import { createRegistry } from "./registry.ts";
import { type Spec, specText } from "./spec.ts";
import { createEventStream } from "./stream.ts";
import { createSubmitter } from "./submitter.ts";
import { createTally } from "./tally.ts";

export type EngineDeps = {
  http: HttpClient;
  /** where calls go that name no endpoint */
  defaultEndpoint(): Promise<string | undefined>;
  /** aborts when the client closes */
  closed: AbortSignal;
  retry: { retryForMs: number; connectForMs: number };
  maxSubmits: number;
  /** an unused event stream is closed soon where it would keep the process from ending */
  idleMs: { held: number; other: number };
};

export type Engine = {
  readonly group: string;
  submit(call: Call): void;
  /** Ends the call here with `reason`, and its task at the gateway. */
  cancel(call: Call, reason: unknown): void;
  /** Watches the tasks of a named group too. */
  watch(group: string): void;
  /** How many calls of a group have not been accepted yet. */
  unsent(group: string): number;
  register(spec: Spec): Promise<string>;
  /** Waits until everything is submitted, at most that long, then lets go of what is pending. */
  close(submitForMs: number): Promise<void>;
};

/** Beats come every few seconds; three times that without any means that the connection is dead. */
const SILENCE_MS = 45_000;
const MAX_REPAIRS = 3;
/** A stream names at most a hundred groups; who watches more hears of all its owner's tasks and passes over the others. */
const MAX_GROUPS = 100;

/** Puts the parts together. */
export function createEngine({ http, defaultEndpoint, closed, retry, maxSubmits, idleMs }: EngineDeps): Engine {
  const group = `_${globalThis.crypto.randomUUID()}`;
  const groups = [group];
  const registry = createRegistry(http);
  const payloads = createPayloads(http);
  const canceller = createCanceller(http);
  const unaccepted = createTally();
  const unregistered = new Map<Spec, Call[]>();

  const pending = createPending({
    fetchResult: (taskId) => payloads.result(taskId),
    onNeed: (needed) => stream.need(needed),
    onRemoved(call, wasAccepted) {
      if (wasAccepted) submitter.ended();
      else unaccepted.down();
      if (call.spec.signal) releaseSignal(call.spec);
    },
  });
  const stream = createEventStream({
    open: ({ groups, lastEventId, signal }) =>
      http.send("events", {
        query: groups.length > MAX_GROUPS ? {} : { group: [...groups] },
        headers: { accept: FRAME_MEDIA_TYPE, ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) },
        retry: false,
        signal,
      }),
    onTasks: pending.take,
    onReset: () => void recover(http, pending, groups).catch(failAll),
    onFailure: failAll,
    silenceMs: SILENCE_MS,
    idleMs,
    retry,
  });
  stream.addGroup(group);
  const submitter = createSubmitter({
    async send(data) {
      const { bytes } = await http.read("submitTasks", { bytes: { type: FRAME_MEDIA_TYPE, data }, waitForRoom: false });
      return JSON.parse(new TextDecoder().decode(bytes)) as SubmitAnswer;
    },
    ready: () => (stream.isReady ? undefined : stream.ready()),
    onAccepted(call) {
      canceller.accepted(call);
      if (call.phase === "sent") {
        call.phase = "accepted";
        unaccepted.down();
      }
      call.text = undefined;
      // Inline arguments are bytes of our own making; those of a blob may be the caller's.
      if (call.bytes && call.blob === undefined) freeLarge(call.bytes);
      call.bytes = undefined;
      call.listener.accepted?.(call);
    },
    onRefused: (call, error) => void repair(call, error),
    maxSubmits,
    fullForMs: retry.retryForMs,
  });

  function failAll(error: unknown): void {
    for (const call of [...pending.calls.values()]) pending.fail(call, error);
  }

  function enqueue(call: Call): void {
    if (call.phase === "ended") return;
    if (call.spec.text !== undefined) submitter.add(call);
    else if (!unregistered.get(call.spec)?.push(call)) registerFor(call);
  }

  /** Registers the call's function; calls of the same spec that come meanwhile wait in line behind it. */
  function registerFor(call: Call): void {
    const waiting = [call];
    unregistered.set(call.spec, waiting);
    const done = (next: (call: Call) => void) => {
      unregistered.delete(call.spec);
      for (const one of waiting) next(one);
    };
    register(call.spec).then(
      () => done(enqueue),
      (error: unknown) => done((one) => pending.fail(one, error)),
    );
  }

  async function register(spec: Spec): Promise<string> {
    const [id, endpoint] = await Promise.all([registry.register(spec.code), defaultEndpoint()]);
    spec.text ??= specText(spec, id, { endpoint, group });
    return id;
  }

  function upload(call: Call): void {
    payloads.upload(call.bytes as Uint8Array).then(
      (hash) => {
        call.blob = hash;
        enqueue(call);
      },
      (error: unknown) => pending.fail(call, error),
    );
  }

  /** The gateway may have lost a function or a blob that it had; that is mended here, everything else is the caller's. */
  async function repair(call: Call, error: unknown): Promise<void> {
    const tries = ++call.repairs;
    const code = error instanceof ApiError && tries <= MAX_REPAIRS ? error.code : undefined;
    if (call.phase === "sent") call.phase = "unsent";
    if (code === "FUNCTION_UNKNOWN") {
      registry.forget(call.spec.code);
      call.spec.text = undefined;
      enqueue(call);
    } else if (code === "BLOB_MISSING" && call.blob !== undefined) {
      payloads.forget(call.blob);
      upload(call);
    } else if (error instanceof ApiError && error.retryable && (call.spec.patient || tries <= MAX_REPAIRS)) {
      await sleep(Math.min(5_000, 250 * 2 ** tries), closed).then(
        () => enqueue(call),
        (reason: unknown) => pending.fail(call, reason),
      );
    } else {
      pending.fail(call, error);
    }
  }

  function cancel(call: Call, reason: unknown): void {
    canceller.cancel(call);
    pending.fail(call, reason);
  }

  function holdSignal(spec: Spec, signal: AbortSignal): void {
    if (spec.live++ > 0) return;
    spec.onAbort = () => {
      for (const call of [...pending.calls.values()]) if (call.spec === spec) cancel(call, signal.reason);
    };
    signal.addEventListener("abort", spec.onAbort, { once: true });
  }

  return {
    group,
    submit(call) {
      if (closed.aborted) return call.listener.failed(call, closed.reason);
      const { signal } = call.spec;
      if (signal?.aborted) return call.listener.failed(call, signal.reason);
      if (signal) holdSignal(call.spec, signal);
      unaccepted.up();
      pending.add(call);
      if (call.bytes !== undefined && call.bytes.length > INLINE_LIMIT_BYTES) upload(call);
      else enqueue(call);
    },
    cancel,
    watch(name) {
      if (!groups.includes(name)) groups.push(name);
      stream.addGroup(name);
    },
    unsent(name) {
      let count = 0;
      for (const { spec, phase } of pending.calls.values())
        if (spec.asked.group === name && phase !== "accepted") count++;
      return count;
    },
    register,
    async close(submitForMs) {
      const late = new AbortController();
      const settle = async () => {
        await unaccepted.none();
        // Calls that were given up while their submit was under way are cancelled after it.
        await submitter.settled();
        await canceller.settled();
      };
      await Promise.race([settle(), sleep(submitForMs, late.signal).catch(() => {})]);
      late.abort();
      failAll(new ApiError("CLIENT_CLOSED", "the client was closed while the task went on"));
      stream.close();
    },
  };
}

/** The last call of a spec has ended: nobody need listen to its signal any more. */
function releaseSignal(spec: Spec): void {
  if (--spec.live === 0 && spec.onAbort) spec.signal?.removeEventListener("abort", spec.onAbort);
}
