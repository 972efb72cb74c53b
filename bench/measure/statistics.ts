/** Percentiles and rates of what was measured. */

/** The value that `share` of the sorted values do not exceed; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle of the values. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** How long `work` took, in milliseconds. */
export async function timeMs(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Runs `work` `count` times after `warmUp` unmeasured ones; the milliseconds of each. */
export async function sample(work: () => unknown, { count, warmUp }: { count: number; warmUp: number }) {
  for (let i = 0; i < warmUp; i++) await work();
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await timeMs(work));
  return times;
}

/** Rounds to three significant digits, and whole numbers from 1,000 on. */
export function round(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}
