/** The arguments of a call, as words of a command line. */
import { ApiError } from "../../protocol/errors.ts";
import { kwargs } from "../../sdk/index.ts";

/**
 * Arguments as JSON; a bare word is text. `named` are words `name=value` for a Python function's keyword arguments. Throws
 * BAD_REQUEST for what looks like JSON and is none.
 */
export function parseArguments(words: readonly string[], named: readonly string[] = []): unknown[] {
  const args = words.map((word, index) => parseValue(word, `argument ${index + 1}`));
  return named.length === 0 ? args : [...args, kwargs(Object.fromEntries(named.map(parseNamed)))];
}

function parseNamed(word: string): [string, unknown] {
  const at = word.indexOf("=");
  if (at < 1) throw new ApiError("BAD_REQUEST", `--kwarg ${word}: expected name=value`);
  const name = word.slice(0, at);
  return [name, parseValue(word.slice(at + 1), `--kwarg ${name}`)];
}

function parseValue(word: string, place: string): unknown {
  try {
    return JSON.parse(word) as unknown;
  } catch (cause) {
    if (!/^[[{"\d-]/.test(word.trim())) return word;
    throw new ApiError("BAD_REQUEST", `${place} is not JSON: ${word} (${(cause as Error).message})`, { cause });
  }
}
