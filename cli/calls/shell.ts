/** Words of a command line as text for sh. */

/** One word is shell text already; several are quoted, so that each arrives as it is. */
export function shellText(words: readonly string[]): string {
  return words.length === 1 ? (words[0] as string) : words.map(quote).join(" ");
}

function quote(word: string): string {
  return /^[A-Za-z0-9_\-+=:,./@%]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
