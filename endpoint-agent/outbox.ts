/** Results and starts on their way to the gateway (PROTOCOL.md rules 10 and 13). */
import type { ResultEntry, ResultsHeader, StartEntry } from "../protocol/batch.ts";
import type { ErrorBody } from "../protocol/errors.ts";
import type { ResultsAnswer } from "../protocol/messages.ts";
import { nowMs } from "./clock.ts";
import { createDeque } from "./deque.ts";

/** A result until the gateway has committed it. */
export type OutResult = {
  entry: ResultEntry;
  /** result, stdout tail, stderr tail; undefined once only the journal has it */
  bytes: Uint8Array;
  /** on this agent's disk */
  journaled: boolean;
  committed: boolean;
  queuedAt: number;
  /** called once, when it is on disk here or committed there */
  safe: (() => void) | undefined;
};
/** A start to be committed; `answered(go)` is called once. */
export type OutStart = { entry: StartEntry; answered(go: boolean): void };

export type OutboxOptions = {
  epoch: number;
  /** resolves with the gateway's answer, rejects when there is none */
  send(header: ResultsHeader, chunks: Uint8Array[]): Promise<ResultsAnswer>;
  /** appends and syncs; rejects when the disk is full or broken */
  journal(results: readonly OutResult[]): Promise<void>;
  /** takes committed results out of the journal */
  forget(results: readonly OutResult[]): void;
  onCommitted(results: readonly OutResult[]): void;
  /** the gateway refused a whole message */
  onRefused(error: ErrorBody): void;
};

export type Outbox = {
  /** results that the gateway has not committed */
  readonly size: number;
  addResult(entry: ResultEntry, bytes: Uint8Array, safe?: () => void): void;
  /** A result from the journal of an earlier run. */
  addJournaled(entry: ResultEntry, bytes: Uint8Array): void;
  addStart(start: OutStart): void;
  /** Sends what waits; to be called once a turn. */
  flush(): void;
  /** Tries again at once, after a reconnect. */
  retry(): void;
  /** Resolves when nothing is left, or the signal aborts. */
  drained(signal: AbortSignal): Promise<void>;
  stop(): void;
};

const MAX_MESSAGE_BYTES = 512 * 1024;
const MAX_MESSAGE_RESULTS = 2048;
/** What a header entry is taken to be, without its failure. */
const ENTRY_BYTES = 220;
const MAX_IN_FLIGHT = 4;
/** With a message under way, the next one waits for this much: the gateway groups anyhow, and small messages cost it more. */
const NEXT_MESSAGE_RESULTS = 256;
/** A result that is not committed after this goes to the journal ... */
const JOURNAL_AFTER_MS = 25;
/** ... but not while the gateway answers others and is only busy: its managers keep it, and an fsync here would slow both. */
const JOURNAL_BUSY_MS = 1_000;
const ANSWERING_MS = 250;
/** One append to the journal holds about this much at most. */
const MAX_JOURNAL_BYTES = 8 * 1024 * 1024;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/** Makes the outbox of an epoch. */
export function createOutbox(options: OutboxOptions): Outbox {
  let results: OutResult[] = [];
  let starts: OutStart[] = [];
  /** in the order they came; what is safe by now is passed over and leaves at the front */
  const unsafe = createDeque<OutResult>();
  let inFlight = 0;
  let inFlightResults = 0;
  let message = 0;
  let failures = 0;
  let answeredAt = Number.NEGATIVE_INFINITY;
  /** results to be sent one by one, because one among them was refused */
  let suspects = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let journalTimer: NodeJS.Timeout | undefined;
  let journaling = false;
  let stopped = false;
  const waiters = new Set<() => void>();
  /** gives up the messages under way: after a reconnect they will not be answered */
  const underWay = new Set<() => void>();

  const makeSafe = (result: OutResult) => {
    result.safe?.();
    result.safe = undefined;
  };

  const cut = (): { results: OutResult[]; starts: OutStart[] } => {
    let bytes = 0;
    let count = 0;
    const most = suspects > 0 ? 1 : MAX_MESSAGE_RESULTS;
    while (count < results.length && count < most) {
      bytes += sizeOf(results[count] as OutResult);
      if (bytes > MAX_MESSAGE_BYTES && count > 0) break;
      count++;
    }
    const taken = { results: results.slice(0, count), starts };
    results = results.slice(count);
    starts = [];
    return taken;
  };

  const sendOne = async () => {
    const batch = cut();
    let givenUp = false;
    let giveUp = () => {};
    inFlight++;
    inFlightResults += batch.results.length;
    let answer: ResultsAnswer | undefined;
    try {
      const header = {
        epoch: options.epoch,
        message: ++message,
        results: batch.results.map((result) => result.entry),
        starts: batch.starts.map((start) => start.entry),
      };
      const chunks: Uint8Array[] = [];
      for (const result of batch.results) if (result.bytes.length > 0) chunks.push(result.bytes);
      answer = await new Promise<ResultsAnswer>((resolve, reject) => {
        giveUp = () => {
          givenUp = true;
          reject(new Error("reconnected"));
        };
        underWay.add(giveUp);
        options.send(header, chunks).then(resolve, reject);
      });
    } catch {
      // No answer: whether it was committed is unknown, so the same is sent again (FAULTS.md N9).
    }
    underWay.delete(giveUp);
    inFlight--;
    inFlightResults -= batch.results.length;
    if (stopped) return;
    if (answer?.ok) committed(batch, answer);
    else {
      results = batch.results.concat(results);
      starts = batch.starts.concat(starts);
      if (givenUp) return retry();
      if (answer) {
        options.onRefused(answer.error);
        if (!answer.error.retryable) isolate(batch.results, answer.error);
      }
      failures++;
      const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 6));
      retryTimer ??= setTimeout(retry, wait * (0.5 + Math.random() / 2));
      return;
    }
    flush();
  };

  /** One bad result must not hold up all others: it is sent alone, found, and ends as a failure. */
  const isolate = (refused: OutResult[], error: ErrorBody) => {
    if (error.code === "EPOCH_SUPERSEDED") return;
    if (refused.length !== 1) {
      suspects = refused.length;
      return;
    }
    const [result] = refused as [OutResult];
    const { id, lease, block } = result.entry;
    const failure = { code: "INTERNAL" as const, message: `its result was refused by the gateway: ${error.message}` };
    result.entry = { id, lease, outcome: "failed", failure, length: 0, ...(block ? { block } : {}) };
    result.bytes = new Uint8Array(0);
  };

  const committed = (batch: ReturnType<typeof cut>, answer: Extract<ResultsAnswer, { ok: true }>) => {
    failures = 0;
    answeredAt = nowMs();
    suspects = Math.max(0, suspects - batch.results.length);
    const journaled: OutResult[] = [];
    for (const result of batch.results) {
      result.committed = true;
      if (result.journaled) journaled.push(result);
      makeSafe(result);
    }
    if (journaled.length > 0) options.forget(journaled);
    const refused = new Set(answer.refusedStarts);
    for (let i = 0; i < batch.starts.length; i++) (batch.starts[i] as OutStart).answered(!refused.has(i));
    options.onCommitted(batch.results);
    if (results.length + inFlightResults === 0) for (const done of waiters) done();
  };

  const flush = () => {
    if (stopped || retryTimer) return;
    while (results.length > 0 || starts.length > 0) {
      if (inFlight > 0) {
        if (inFlight >= MAX_IN_FLIGHT) break;
        // A start waits for its commit before it may run, so it is worth a message of its own.
        if (results.length < NEXT_MESSAGE_RESULTS && starts.length === 0) break;
      }
      void sendOne();
    }
    if (unsafe.length > 0) journalTimer ??= setTimeout(journalOld, JOURNAL_AFTER_MS);
  };

  const retry = () => {
    clearTimeout(retryTimer);
    retryTimer = undefined;
    flush();
  };

  const journalOld = async () => {
    journalTimer = undefined;
    if (journaling || stopped) return;
    const patience = nowMs() - answeredAt < ANSWERING_MS ? JOURNAL_BUSY_MS : JOURNAL_AFTER_MS;
    const before = nowMs() - patience + 1;
    const old: OutResult[] = [];
    let bytes = 0;
    for (let first = unsafe.peek(); first; first = unsafe.peek()) {
      if (!first.committed && (first.queuedAt > before || bytes > MAX_JOURNAL_BYTES)) break;
      unsafe.shift();
      if (first.committed) continue;
      old.push(first);
      bytes += sizeOf(first);
    }
    let wait = JOURNAL_AFTER_MS;
    if (old.length > 0) {
      journaling = true;
      try {
        await options.journal(old);
        for (const result of old) {
          result.journaled = true;
          makeSafe(result);
        }
        // Committed while the disk was busy with them.
        options.forget(old.filter((result) => result.committed));
      } catch {
        // A full disk: the manager keeps them meanwhile, and the journal says so by itself.
        for (const result of old.reverse()) unsafe.unshift(result);
        wait = 1_000;
      }
      journaling = false;
    }
    if (unsafe.length > 0 && !stopped) journalTimer ??= setTimeout(journalOld, wait);
  };

  const add = (
    entry: ResultEntry,
    bytes: Uint8Array,
    state: { journaled: boolean; safe: (() => void) | undefined },
  ) => {
    const result: OutResult = { entry, bytes, committed: false, queuedAt: nowMs(), ...state };
    results.push(result);
    if (!state.journaled) unsafe.push(result);
  };

  return {
    get size() {
      return results.length + inFlightResults;
    },
    addResult: (entry, bytes, safe) => add(entry, bytes, { journaled: false, safe }),
    addJournaled: (entry, bytes) => add(entry, bytes, { journaled: true, safe: undefined }),
    addStart: (start) => void starts.push(start),
    flush,
    retry() {
      failures = 0;
      for (const giveUp of underWay) giveUp();
      retry();
    },
    drained(signal) {
      if (results.length + inFlightResults === 0 || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          waiters.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        waiters.add(done);
        signal.addEventListener("abort", done);
      });
    },
    stop() {
      stopped = true;
      clearTimeout(retryTimer);
      clearTimeout(journalTimer);
    },
  };
}

function sizeOf({ entry, bytes }: OutResult): number {
  const failure = entry.failure;
  const text = failure ? failure.message.length + (failure.stack?.length ?? 0) + 100 : 0;
  return ENTRY_BYTES + text * 2 + bytes.length;
}
