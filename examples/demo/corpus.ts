/** The texts of examples/corpus. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../corpus/", import.meta.url));

/** The files, by their full paths. */
export function corpusFiles(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => join(FOLDER, name));
}

/** The texts in pieces of about `size` characters, cut at ends of lines. */
export function* pieces(files: readonly string[], size: number): Generator<string> {
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf("\n", start + size);
      yield text.slice(start, end === -1 ? undefined : end + 1);
      start = end === -1 ? text.length : end + 1;
    }
  }
}
