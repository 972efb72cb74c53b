/** Maps a function over any number of items, holding only those that are in flight. */
import { type Call, createCall, type Listener } from "./calls/call.ts";
import type { Engine } from "./calls/engine.ts";
import { type CallOptions, createSpec } from "./calls/spec.ts";
import type { Code } from "./code/code.ts";
import { ApiError, TaskError } from "./errors.ts";

/**
 * What can be mapped over.
 *
 * @example
 * const lines: Items<string> = readline.createInterface({ input });
 */
export type Items<T> = Iterable<T> | AsyncIterable<T>;

/**
 * How to map. Besides, all that `with` takes.
 *
 * @example
 * for await (const result of square.map(numbers, { inFlight: 10_000, ordered: true })) console.log(result.index);
 */
export type MapOptions = CallOptions & {
  /** items submitted and not yet yielded, at most; 1000 */
  inFlight?: number;
  /** yield in the order of the items instead of as they end */
  ordered?: boolean;
};

/**
 * How one item went.
 *
 * @example
 * for await (const { index, value, error } of divide.map(pairs)) console.log(index, error ?? value);
 */
export type MapResult<T> =
  | { readonly index: number; readonly value: T; readonly error?: undefined }
  // Not `unknown`, which holds undefined: by `error !== undefined` TypeScript tells the two apart.
  | { readonly index: number; readonly value?: undefined; readonly error: NonNullable<unknown> };

/**
 * The results, to be read with `for await`. Leaving the loop cancels what is in flight.
 *
 * @example
 * const results: MapResults<number> = square.map([1, 2, 3]);
 */
export type MapResults<T> = AsyncIterableIterator<MapResult<T>, void, undefined>;

type Next<T> = IteratorResult<MapResult<T>, void>;

const DEFAULT_IN_FLIGHT = 1000;

/** Starts nothing until the first result is asked for. */
export function createMap<T>(
  code: Code,
  items: Items<unknown>,
  options: MapOptions & { group?: string },
  engine: Pick<Engine, "submit" | "cancel">,
): MapResults<T> {
  const { inFlight = DEFAULT_IN_FLIGHT, ordered = false, ...callOptions } = options;
  if (!Number.isInteger(inFlight) || inFlight < 1) throw new RangeError(`inFlight is ${inFlight}; expected 1 or more`);
  const spec = createSpec(code, callOptions, true);
  const source = openSource(items);
  const live = new Set<Call>();
  /** results that nobody asked for yet; never more than inFlight, so a slot is free when its turn comes */
  const ring: (MapResult<T> | undefined)[] = [];
  let submitted = 0;
  let arrived = 0;
  let yielded = 0;
  let ended = false;
  let pulling = false;
  let broken: { error: unknown } | undefined;
  let waiter: PromiseWithResolvers<Next<T>> | undefined;

  const listener: Listener = {
    succeeded(call, value) {
      live.delete(call);
      arrive({ index: call.index, value: value as T });
    },
    failed(call, error) {
      live.delete(call);
      if (isOfItem(error)) arrive({ index: call.index, error });
      else fail(error);
    },
  };

  function arrive(result: MapResult<T>): void {
    ring[(ordered ? result.index : arrived) % inFlight] = result;
    arrived++;
    wake();
  }

  function fail(error: unknown): void {
    broken ??= { error };
    stop(error);
    wake();
  }

  /** Ends the source and cancels what is under way. */
  function stop(reason: unknown): void {
    if (!ended) source.close();
    ended = true;
    for (const call of [...live]) {
      live.delete(call);
      engine.cancel(call, reason);
    }
  }

  function submit(item: unknown): void {
    const index = submitted++;
    try {
      const call = createCall(spec, [item], listener, index);
      live.add(call);
      engine.submit(call);
    } catch (error) {
      arrive({ index, error: error ?? new Error("encoding it threw nothing") });
    }
  }

  function fill(): void {
    while (!ended && !pulling && submitted - yielded < inFlight) {
      try {
        const step = source.next();
        if (step instanceof Promise) pull(step);
        else accept(step);
      } catch (error) {
        fail(error);
      }
    }
  }

  function pull(step: Promise<IteratorResult<unknown>>): void {
    pulling = true;
    step.then(
      (result) => {
        pulling = false;
        if (!ended) accept(result);
        fill();
        wake();
      },
      (error: unknown) => {
        pulling = false;
        ended = true;
        fail(error);
      },
    );
  }

  function accept(step: IteratorResult<unknown>): void {
    if (step.done) ended = true;
    else submit(step.value);
  }

  /** The next result if it is there: filling up comes after taking, so that a slot is free. */
  function take(): Next<T> | undefined {
    if (broken) throw broken.error;
    const slot = yielded % inFlight;
    const value = ring[slot];
    if (value !== undefined) {
      ring[slot] = undefined;
      yielded++;
      fill();
      return { value, done: false };
    }
    return ended && yielded === submitted ? { value: undefined, done: true } : undefined;
  }

  function wake(): void {
    if (!waiter) return;
    const { resolve, reject } = waiter;
    try {
      const next = take();
      if (!next) return;
      waiter = undefined;
      resolve(next);
    } catch (error) {
      waiter = undefined;
      reject(error);
    }
  }

  async function next(): Promise<Next<T>> {
    while (waiter) await waiter.promise.catch(() => {});
    fill();
    const there = take();
    if (there) return there;
    waiter = Promise.withResolvers<Next<T>>();
    return waiter.promise;
  }

  return {
    next,
    async return() {
      submitted = yielded;
      stop(new Error("the loop over the results was left"));
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Whether an error is this item's own; any other would meet the next items as well, and ends the map. */
function isOfItem(error: unknown): error is TaskError | ApiError {
  return (
    error instanceof TaskError ||
    (error instanceof ApiError && (error.code === "NOT_SERIALISABLE" || error.code === "TOO_LARGE"))
  );
}

type Source = { next(): IteratorResult<unknown> | Promise<IteratorResult<unknown>>; close(): void };

function openSource(items: Items<unknown>): Source {
  if (Symbol.asyncIterator in items) {
    const iterator = items[Symbol.asyncIterator]();
    return { next: () => Promise.resolve(iterator.next()), close: () => void iterator.return?.()?.catch(() => {}) };
  }
  const iterator = items[Symbol.iterator]();
  return { next: () => iterator.next(), close: () => void iterator.return?.() };
}
