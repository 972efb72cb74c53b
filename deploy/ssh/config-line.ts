/** One line of an OpenSSH configuration, taken apart as OpenSSH does. Pure. */
import { ApiError } from "../../protocol/errors.ts";

export type ConfigLine = {
  /** in lower case */
  key: string;
  /** as it is written */
  name: string;
  words: string[];
  /** all that follows the key, for those options that are a command */
  rest: string;
};

/** Undefined for a line that says nothing. Throws CONFIG_INVALID for a quote that is not closed. */
export function configLine(content: string): ConfigLine | undefined {
  const match = /^[ \t\r\f]*"?([A-Za-z0-9]+)"?(?:[ \t]*=[ \t]*|[ \t]+|$)(.*?)[ \t\r\f]*$/.exec(content);
  if (!match) return undefined;
  const [, name = "", rest = ""] = match;
  return { key: name.toLowerCase(), name, rest, words: split(rest) };
}

/** Words in quotes of both kinds; a `#` that begins a word ends the line. */
function split(text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at] as string)) at++;
    else if (text[at] === "#") break;
    else {
      const { word, end } = wordAt(text, at);
      words.push(word);
      at = end;
    }
  }
  return words;
}

function wordAt(text: string, from: number): { word: string; end: number } {
  let word = "";
  let quote = "";
  let at = from;
  for (; at < text.length && (quote !== "" || !/[ \t]/.test(text[at] as string)); at++) {
    const sign = text[at] as string;
    const next = text[at + 1] ?? "";
    if (sign === "\\" && (next === "\\" || next === '"' || next === "'" || (quote === "" && next === " "))) {
      word += next;
      at++;
    } else if (quote === "" && (sign === '"' || sign === "'")) quote = sign;
    else if (sign === quote) quote = "";
    else word += sign;
  }
  if (quote !== "")
    throw new ApiError("CONFIG_INVALID", `the SSH configuration has a quote that is not closed: ${text}`);
  return { word, end: at };
}
