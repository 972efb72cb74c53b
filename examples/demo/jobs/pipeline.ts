/** Shell: a pipeline over each text, its output captured; its sum must be what the other words were counted to. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { corpusFiles } from "../corpus.ts";
import { wordsOf } from "../word-counts/words.ts";
import type { Job } from "./job.ts";

/** The number of words, then the longest one. */
const TEMPLATE = `grep -oE "[A-Za-z]+('[A-Za-z]+)*" {file} | tr A-Z a-z | awk '
  { words++; if (length($0) > length(longest)) longest = $0 }
  END { print words, longest }'`;

export const pipeline: Job = {
  name: "pipeline",
  title: "Shell: grep, tr and awk over each text",
  async run(farcall, progress) {
    const measure = farcall.command(TEMPLATE);
    const files = corpusFiles();
    progress.add(files.length);
    const texts: Record<string, { words: number; longest: string }> = {};
    for await (const { index, value, error } of measure.map(files.map((file) => ({ file })))) {
      if (error !== undefined) throw error;
      const [words, longest = ""] = (value?.stdout ?? "").trim().split(" ");
      texts[basename(files[index] ?? "", ".txt")] = { words: Number(words), longest };
      progress.done();
    }
    const wrong = files.filter(
      (file) => texts[basename(file, ".txt")]?.words !== [...wordsOf(readFileSync(file, "utf8"))].length,
    );
    const total = Object.values(texts).reduce((sum, { words }) => sum + words, 0);
    const longest = Object.values(texts).reduce((a, b) => (b.longest.length > a.length ? b.longest : a), "");
    return {
      result: { words: total, longest, texts },
      ok: wrong.length === 0,
      shown: [`${total.toLocaleString("en")} words in ${files.length} texts; the longest is ${longest}`],
    };
  },
};
