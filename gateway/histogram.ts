/** Counts durations in buckets that double, from 0.25 ms to 9 hours: one increment each, nothing is allocated. */
export type Histogram = {
  /** Counts a duration, `times` times. */
  add(ms: number, times?: number): void;
  snapshot(): HistogramSnapshot;
};

/** What was counted: by bucket, the last of them for all above. */
export type HistogramSnapshot = { buckets: number[]; sumMs: number };

const FIRST_MS = 0.25;
const BOUNDED = 28;

/** The upper bounds of the buckets in milliseconds, inclusive. */
export const BOUNDS_MS: readonly number[] = Array.from({ length: BOUNDED }, (_, i) => FIRST_MS * 2 ** i);

/** An empty histogram. */
export function createHistogram(): Histogram {
  const buckets = new Float64Array(BOUNDED + 1);
  let sumMs = 0;
  return {
    add(ms, times = 1) {
      const at = bucketOf(ms);
      buckets[at] = (buckets[at] as number) + times;
      // A clock that stepped back makes durations below nothing; a sum must not fall.
      if (ms > 0) sumMs += ms * times;
    },
    snapshot: () => ({ buckets: [...buckets], sumMs }),
  };
}

function bucketOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  const units = Math.ceil(ms / FIRST_MS);
  return units > 2 ** (BOUNDED - 1) ? BOUNDED : 32 - Math.clz32(units - 1);
}
