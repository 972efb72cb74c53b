/** The words of an English text, in lower case. An apostrophe inside a word belongs to it. */
export function* wordsOf(text: string): Generator<string> {
  for (const [word] of text.matchAll(/[A-Za-z]+(?:'[A-Za-z]+)*/g)) yield word.toLowerCase();
}
