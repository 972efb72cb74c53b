/**
 * Fills a command's template: `{name}` becomes the argument's field, quoted so that sh takes it as text and nothing else,
 * outside quotes, inside them, and inside `$(…)`. Where no quoting is safe the template is refused.
 */
import { type Part, parseTemplate } from "./template-parser.ts";

/** Replaces every `{name}`; `{{name}}` stands for `{name}` itself. Throws when a field is missing or cannot be quoted. */
export function fillTemplate(template: string, fields: Record<string, unknown>): string {
  return parseTemplate(template)
    .map((part) => (typeof part === "string" ? part : fill(part, fields)))
    .join("");
}

/** Quotes text for sh as one word that nothing in it can leave. */
export function quote(text: string): string {
  if (text.includes("\0")) {
    throw new TypeError("a command's argument holds a NUL character, which no program can be given");
  }
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fill({ name, quotes }: Exclude<Part, string>, fields: Record<string, unknown>): string {
  if (!Object.hasOwn(fields, name)) {
    const given = Object.keys(fields).join(", ") || "none";
    throw new TypeError(
      `the command needs a field "${name}"; the call gave: ${given}. Where {${name}} itself is meant, write {{${name}}}`,
    );
  }
  const value = fields[name];
  if (Array.isArray(value)) {
    if (quotes !== "") throw new TypeError(`{${name}} is a list, which fits only outside quotes`);
    return value.map((item) => quote(textOf(name, item))).join(" ");
  }
  // Inside quotes: these are closed, and opened again behind the value.
  return quotes + quote(textOf(name, value)) + quotes;
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.toISOString();
  throw new TypeError(
    `{${name}} is ${value === null ? "null" : typeof value}; a command takes text, numbers and lists`,
  );
}
