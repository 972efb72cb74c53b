import { mean } from "./statistics.ts";

/** How many values fall into each of `bins` equal parts of their range. */
export function histogram(values: readonly number[], bins: number): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

/** The mean and the standard deviation. */
export function spread(values: Float64Array): { mean: number; deviation: number } {
  const middle = mean([...values]);
  return { mean: middle, deviation: Math.sqrt(mean([...values].map((value) => (value - middle) ** 2))) };
}
