/** Words of a command line as text for sh. */
import { shellWord } from "../../endpoint-agent/shell-word.ts";

/** One word is shell text already; several are quoted, so that each arrives as it is. */
export function shellText(words: readonly string[]): string {
  return words.length === 1 ? (words[0] as string) : words.map(shellWord).join(" ");
}
