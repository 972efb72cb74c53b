/** Python functions: their source is sent as it is, so no version of Python need match another. */
import { ApiError } from "../../protocol/errors.ts";
import { type Code, createCode } from "./code.ts";
import type { FunctionOptions } from "./inline.ts";

/**
 * How a Python function is named and called. `entry` says which function of the source is called, if there are several.
 *
 * @example
 * farcall.python("def mean(xs):\n    return sum(xs) / len(xs)", { entry: "mean" });
 */
export type PythonOptions = FunctionOptions & { entry?: string };

/** Makes code of Python source. */
export function pythonCode(source: string, options: Pick<PythonOptions, "name" | "env" | "container" | "entry">): Code {
  const text = dedent(source);
  const entry = options.entry ?? findEntry(text);
  return createCode(() => new TextEncoder().encode(text), {
    name: options.name ?? entry,
    runtime: "python",
    entry,
    env: options.env,
    container: options.container,
  });
}

/** Takes away the indentation that all lines share, as source in a template literal has it. */
export function dedent(source: string): string {
  const lines = source.replace(/\r\n/g, "\n").split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^[ \t]*/.exec(line)?.[0] ?? "");
  let shared = indents[0] ?? "";
  for (const indent of indents) while (!indent.startsWith(shared)) shared = shared.slice(0, -1);
  return `${lines
    .map((line) => (line.startsWith(shared) ? line.slice(shared.length) : line.trimStart()))
    .join("\n")
    .trim()}\n`;
}

/** The only function at the top level that is not private, or the one called `main`. */
function findEntry(text: string): string {
  const names = [...text.matchAll(/^(?:async[ \t]+)?def[ \t]+([^\W\d]\w*)[ \t]*\(/gmu)].map(
    ([, name]) => name as string,
  );
  const found = [...new Set(names)].filter((name) => !name.startsWith("_"));
  if (found.length === 1) return found[0] as string;
  if (found.includes("main")) return "main";
  const what = found.length === 0 ? "no function at its top level" : `several functions: ${found.join(", ")}`;
  throw new ApiError("BAD_REQUEST", `the Python source defines ${what}; name the one to call in \`entry\``);
}
