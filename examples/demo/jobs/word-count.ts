/** Map-reduce in TypeScript: the functions are a module, bundled with its imports and sent to the workers. */
import { readFileSync } from "node:fs";
import type { Remote } from "../../../sdk/index.ts";
import { corpusFiles, pieces } from "../corpus.ts";
import type { Counts } from "../word-counts/word-counts.ts";
import { wordsOf } from "../word-counts/words.ts";
import type { Job, Progress } from "./job.ts";

const PIECE_CHARACTERS = 20_000;
/** counts that one reduce task merges */
const FAN_IN = 8;

export const wordCount: Job = {
  name: "word-count",
  title: "TypeScript: word counts over the corpus, map and reduce",
  async run(farcall, progress) {
    const words = await farcall.module<typeof import("../word-counts/word-counts.ts")>("../word-counts/word-counts.ts");
    const files = corpusFiles();
    const mapped = await all(words.count, [...pieces(files, PIECE_CHARACTERS)], progress);
    const counts = await reduce(words.merge, mapped, progress);

    const total = Object.values(counts).reduce((sum, times) => sum + times, 0);
    const expected = files.reduce((sum, path) => sum + [...wordsOf(readFileSync(path, "utf8"))].length, 0);
    const top = Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .slice(0, 10);
    return {
      result: { files: files.length, words: total, distinct: Object.keys(counts).length, top: Object.fromEntries(top) },
      ok: total === expected,
      shown: [
        `${total.toLocaleString("en")} words, ${Object.keys(counts).length.toLocaleString("en")} different ones, in ${files.length} texts`,
        top.map(([word, times]) => `${word} ${times.toLocaleString("en")}`).join(", "),
      ],
    };
  },
};

async function reduce(
  merge: Remote<(parts: readonly Counts[]) => Counts>,
  parts: readonly Counts[],
  progress: Progress,
): Promise<Counts> {
  if (parts.length <= 1) return parts[0] ?? {};
  const groups = Array.from({ length: Math.ceil(parts.length / FAN_IN) }, (_, i) =>
    parts.slice(i * FAN_IN, (i + 1) * FAN_IN),
  );
  return reduce(merge, await all(merge, groups, progress), progress);
}

async function all<A, R>(remote: Remote<(item: A) => R>, items: readonly A[], progress: Progress): Promise<R[]> {
  progress.add(items.length);
  const results: R[] = [];
  for await (const { index, value, error } of remote.map(items)) {
    if (error !== undefined) throw error;
    results[index] = value as R;
    progress.done();
  }
  return results;
}
