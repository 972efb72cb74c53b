/** Functions written where they are called: their own text becomes the module that the worker loads. */
import { parseExpressionAt } from "acorn";
import { ApiError } from "../../protocol/errors.ts";
import type { Container } from "../../protocol/function.ts";
import type { CallOptions } from "../calls/spec.ts";
import { type Captures, findCaptures, type Node } from "./captures.ts";
import { type Code, createCode, nameFrom } from "./code.ts";
import { STANDARD_GLOBALS } from "./globals.ts";
import { explainFree, preludeOf } from "./helpers.ts";

/**
 * In what a function runs on its node. The image has `sh`, and `node` 22 or newer for JavaScript, `python3` for Python.
 * `binds` are `/path`, `/path:/path/there` or `/path:/path/there:ro`.
 *
 * @example
 * farcall.command("bwa mem {reference} {reads}", { container: { runtime: "apptainer", image: "/images/bwa.sif" } });
 */
export type ContainerOptions = Omit<Container, "binds"> & { binds?: string[] };

/**
 * How a function is named and, unless `with` says otherwise, called. `env` and `container` belong to the function: another
 * one makes another function.
 *
 * @example
 * farcall.function(simulate, { name: "simulate", timeoutMs: 60_000, resources: { cores: 4 } });
 */
export type FunctionOptions = CallOptions & { name?: string; container?: ContainerOptions };

const MODULE_ADVICE = "pass it as an argument, or move the function to a file of its own and use farcall.module()";

/** Makes code of a function. Throws CAPTURES when it uses something from outside, BAD_REQUEST when it has no usable text. */
export function inlineCode(fn: unknown, options: Pick<FunctionOptions, "name" | "env" | "container">): Code {
  if (typeof fn !== "function") throw refuse(`${JSON.stringify(fn) ?? String(fn)} is not a function`);
  const source = inlineModule(Function.prototype.toString.call(fn), fn.name);
  return createCode(() => new TextEncoder().encode(source), {
    name: options.name ?? nameFrom(fn.name, "anonymous"),
    runtime: "javascript",
    entry: "default",
    env: options.env,
    container: options.container,
  });
}

/** The ES module for a function's text. */
export function inlineModule(text: string, name = ""): string {
  const shown = name === "" ? "the function" : `function ${name}`;
  if (/\{\s*\[native code\]\s*\}\s*$/.test(text)) {
    const kind = name.startsWith("bound ") ? "bound, so its text is hidden" : "built in, so it has no text";
    throw refuse(`${shown} is ${kind}; wrap it: (...args) => …`);
  }
  const node = parse(text, shown);
  checkKind(node, shown);
  const captures = findCaptures(node);
  const prelude: string[] = [];
  const outside = captures.free.filter((reference) => {
    const helper = preludeOf(reference.name);
    if (helper) prelude.push(helper);
    return !helper && !STANDARD_GLOBALS.has(reference.name);
  });
  refuseCaptures(shown, [...outside.map(explainFree), ...otherCaptures(captures)]);
  return `${[...prelude, `export default (${text}\n);`].join("\n")}\n`;
}

function parse(text: string, shown: string): Node {
  try {
    // At once as an expression in parentheses, as the module will hold it.
    return parseExpressionAt(`(${text}\n)`, 0, { ecmaVersion: "latest", sourceType: "module" }) as unknown as Node;
  } catch (cause) {
    if (isMember(text)) {
      throw refuse(
        `${shown} is a method or accessor; write it as a function: \`name: (x) => …\` or \`function (x) { … }\``,
      );
    }
    throw refuse(`${shown} cannot be read back from its text (${String(cause)}); ${MODULE_ADVICE}`, cause);
  }
}

/** Whether the text only makes sense inside an object or a class. */
function isMember(text: string): boolean {
  return [`({${text}\n})`, `(class {${text}\n})`].some((wrapped) => {
    try {
      parseExpressionAt(wrapped, 0, { ecmaVersion: "latest", sourceType: "module" });
      return true;
    } catch {
      return false;
    }
  });
}

function checkKind(node: Node, shown: string): void {
  if (node.type === "ClassExpression") throw refuse(`${shown} is a class; give a function that uses it`);
  if (node.type !== "FunctionExpression" && node.type !== "ArrowFunctionExpression") {
    throw refuse(
      `${shown} is a method or accessor; write it as a function: \`name: (x) => …\` or \`function (x) { … }\``,
    );
  }
  if (node.generator) throw refuse(`${shown} is a generator, whose result cannot be sent; return an array`);
}

function otherCaptures({ usesThis, usesImportMeta, relativeImports }: Captures): string[] {
  return [
    ...(usesThis ? ["this"] : []),
    ...(usesImportMeta ? ["import.meta (of its own file)"] : []),
    ...relativeImports.map(
      (specifier) => `import(${JSON.stringify(specifier)}) (a file that the worker does not have)`,
    ),
  ];
}

function refuseCaptures(shown: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const it =
    names.length === 1 ? MODULE_ADVICE : MODULE_ADVICE.replace(" it ", " them ").replace("an argument", "arguments");
  throw new ApiError("CAPTURES", `${shown} uses ${names.join(", ")} from outside itself; ${it}`, {
    details: { names },
  });
}

function refuse(message: string, cause?: unknown): ApiError {
  return new ApiError("BAD_REQUEST", message, cause === undefined ? {} : { cause });
}
