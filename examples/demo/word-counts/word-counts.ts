/** The functions of the word count, sent to the workers as one bundle together with what they import. */
import { wordsOf } from "./words.ts";

export type Counts = Record<string, number>;

/** Map: how often each word occurs in a text. */
export function count(text: string): Counts {
  const counts: Counts = Object.create(null);
  for (const word of wordsOf(text)) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** Reduce: the sum of several counts. */
export function merge(parts: readonly Counts[]): Counts {
  const sum: Counts = Object.create(null);
  for (const part of parts) for (const [word, times] of Object.entries(part)) sum[word] = (sum[word] ?? 0) + times;
  return sum;
}
