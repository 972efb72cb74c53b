/** Counts what is open, and tells who waits when nothing is. */

export type Tally = { up(): void; down(): void; none(): Promise<void> };

/** Makes a tally of nothing. */
export function createTally(): Tally {
  let open = 0;
  let waiter: PromiseWithResolvers<void> | undefined;
  return {
    up: () => void open++,
    down() {
      if (--open > 0 || !waiter) return;
      waiter.resolve();
      waiter = undefined;
    },
    none() {
      if (open === 0) return Promise.resolve();
      waiter ??= Promise.withResolvers<void>();
      return waiter.promise;
    },
  };
}
