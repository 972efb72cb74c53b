/** The one event stream of a client: open before the first submit, resumed after every break, held only while needed. */
import { ApiError } from "../../protocol/errors.ts";
import type { EventMessage, TaskEvent } from "../../protocol/events.ts";
import { createFrameReader } from "../../protocol/frame.ts";
import { retryDelay, sleep } from "../http/retry.ts";
import type { Answer } from "../http/transport.ts";
import { unrefTimer, watchSilence } from "./silence.ts";

/** Far above what a gateway puts into one frame; a length beyond it is damage. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024;

export type EventStreamDeps = {
  /** One try to open the stream. */
  open(request: { groups: readonly string[]; lastEventId: string | undefined; signal: AbortSignal }): Promise<Answer>;
  onTasks(tasks: readonly TaskEvent[], body: Uint8Array): void;
  /** Events may have been missed: find out what ended. The stream goes on meanwhile. */
  onReset(): void;
  /** The stream cannot be had at all, for want of a valid token or of a gateway. */
  onFailure(error: unknown): void;
  /** silence after which a connection is taken for dead */
  silenceMs: number;
  /** how long an unused stream stays open: `held` where it lets the process end meanwhile, else `other` */
  idleMs: { held: number; other: number };
  retry: { retryForMs: number; connectForMs: number };
};

export type EventStream = {
  /** Watches one more group; the stream is opened anew and goes on from where it was. */
  addGroup(group: string): void;
  /** Resolves when everything that happens from now on will be seen. */
  ready(): Promise<void>;
  readonly isReady: boolean;
  /** Whether somebody waits for events: only then does the stream keep the process alive. */
  need(needed: boolean): void;
  close(): void;
};

/** Makes the stream; it opens when it is first needed. */
export function createEventStream(deps: EventStreamDeps): EventStream {
  const groups: string[] = [];
  let needed = false;
  let running = false;
  let connection = new AbortController();
  let answer: Answer | undefined;
  /** undefined: start from now on, and let submits wait until that is known */
  let position: string | undefined;
  let opened = newSignal();
  let idleTimer: ReturnType<typeof setTimeout> | undefined;

  function onMessage(message: EventMessage, body: Uint8Array): void {
    if (message.kind === "tasks") deps.onTasks(message.tasks, body);
    else if (message.kind === "reset") deps.onReset();
    // A hello to somebody who resumes must not move the position past what is still to be replayed.
    if (message.kind !== "hello" || position === undefined) position = message.id;
    opened.resolve();
  }

  /** Reads one connection to its end. */
  async function read(signal: AbortSignal, onProgress: () => void): Promise<void> {
    answer = await deps.open({ groups, lastEventId: position, signal });
    answer.hold?.(needed);
    const current = connection;
    const silence = watchSilence(deps.silenceMs, () => current.abort(new Error("the event stream fell silent")));
    const reader = createFrameReader(MAX_FRAME_BYTES);
    try {
      for await (const chunk of answer.chunks()) {
        silence.heard();
        for (const frame of reader.push(chunk)) onMessage(frame.header as EventMessage, frame.body);
        onProgress();
      }
    } catch (error) {
      // Whatever happens to a stream that was open, a frame that is not one included, is mended by opening it anew.
      throw new Error(`the event stream broke: ${String(error)}`, { cause: error });
    } finally {
      silence.stop();
      answer = undefined;
    }
  }

  async function run(): Promise<void> {
    let tries = 0;
    let brokenAt = performance.now();
    while (needed) {
      connection = new AbortController();
      const { signal } = connection;
      let cause: unknown = new Error("the gateway ended the event stream");
      try {
        await read(signal, () => {
          tries = 0;
        });
      } catch (error) {
        cause = error;
      }
      if (signal.reason === DELIBERATE) continue;
      if (tries++ === 0) brokenAt = performance.now();
      const refused = cause instanceof ApiError;
      const error = refused ? cause : new ApiError("UNAVAILABLE", `no event stream: ${String(cause)}`, { cause });
      const policy = { ...deps.retry, reached: position !== undefined, idempotent: true };
      const now = { tries, elapsedMs: performance.now() - brokenAt, random: Math.random() };
      const delay = retryDelay({ error }, policy, now);
      if (delay === undefined) throw error;
      // A new group or the end of the need cuts the wait short.
      connection = new AbortController();
      await sleep(delay, connection.signal).catch(() => {});
    }
  }

  function start(): void {
    if (running) return;
    running = true;
    run()
      .catch((error: unknown) => {
        opened.reject(error);
        deps.onFailure(error);
      })
      .finally(() => {
        running = false;
        position = undefined;
        opened = opened.settled ? newSignal() : opened;
        if (needed) start();
      });
  }

  function letGo(): void {
    const canRest = answer?.hold !== undefined;
    answer?.hold?.(false);
    idleTimer = setTimeout(() => connection.abort(DELIBERATE), canRest ? deps.idleMs.held : deps.idleMs.other);
    if (canRest) unrefTimer(idleTimer);
  }

  return {
    addGroup(group) {
      if (groups.includes(group)) return;
      groups.push(group);
      connection.abort(DELIBERATE);
    },
    ready: () => opened.promise,
    get isReady() {
      return opened.settled;
    },
    need(now) {
      if (now === needed) return;
      needed = now;
      clearTimeout(idleTimer);
      if (!now) return letGo();
      answer?.hold?.(true);
      start();
    },
    close() {
      needed = false;
      clearTimeout(idleTimer);
      connection.abort(DELIBERATE);
    },
  };
}

const DELIBERATE = new Error("the event stream was closed on purpose");

type Signal = { promise: Promise<void>; settled: boolean; resolve(): void; reject(error: unknown): void };

/** A promise that can be asked whether it is settled, and whose rejection need not be handled. */
function newSignal(): Signal {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {});
  const signal: Signal = {
    promise,
    settled: false,
    resolve() {
      signal.settled = true;
      resolve();
    },
    reject(error) {
      signal.settled = true;
      reject(error);
    },
  };
  return signal;
}
