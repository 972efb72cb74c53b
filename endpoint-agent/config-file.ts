/** Reads config.yaml; a mistake is answered with file, line, field, value and what would be right. */
import { readFileSync, statSync } from "node:fs";
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { ApiError } from "../protocol/errors.ts";
import { EndpointConfig } from "./config.ts";

/** A few aliases are convenience, many are a bomb. */
const MAX_ALIASES = 32;

/** One mistake in a configuration file. Line and column count from 1. */
export type ConfigMistake = { line: number; column: number; field: string; value: string; expected: string };

/** Reads and checks a configuration file. Throws CONFIG_INVALID naming every mistake. */
export function readConfigFile(path: string): EndpointConfig {
  let text: string;
  try {
    // It names programs that run as this user.
    if ((statSync(path).mode & 0o022) !== 0) {
      throw new ApiError("CONFIG_INVALID", `${path} can be changed by others: chmod go-w ${path}`);
    }
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be read";
    throw new ApiError("CONFIG_INVALID", `${path} ${why}; \`farcall endpoint configure\` writes one`, { cause });
  }
  const parsed = parseConfig(text);
  if ("config" in parsed) return parsed.config;
  const lines = parsed.mistakes.map(
    ({ line, column, field, value, expected }) =>
      `${path}:${line}:${column}: ${field} is ${value}; expected ${expected}`,
  );
  throw new ApiError("CONFIG_INVALID", lines.join("\n"), { details: { path, mistakes: parsed.mistakes } });
}

/** Checks a configuration's text. */
export function parseConfig(text: string): { config: EndpointConfig } | { mistakes: ConfigMistake[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    return {
      mistakes: document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { line, column: col, field: "the file", value: "not YAML", expected: `valid YAML (${error.message})` };
      }),
    };
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
  } catch (error) {
    const expected = `fewer aliases (${(error as Error).message})`;
    return { mistakes: [{ line: 1, column: 1, field: "the file", value: "too long", expected }] };
  }
  const result = EndpointConfig.safeParse(value);
  if (result.success) return { config: result.data };
  const root = document.contents;
  const mistakes: ConfigMistake[] = [];
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        const at = place(lines, root, [...issue.path, key], { key: true });
        const field = [...issue.path, key].join(".");
        mistakes.push({ ...at, field, value: "unknown", expected: suggest(key, knownKeys(issue.path)) });
      }
      continue;
    }
    const at = place(lines, root, issue.path, { key: false });
    mistakes.push({
      ...at,
      field: issue.path.join(".") || "the file",
      value: shown(root, issue.path),
      expected: what(issue),
    });
  }
  return { mistakes: mistakes.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** The known key that is nearest to a misspelt one, or all of them. */
export function suggest(key: string, known: readonly string[]): string {
  const ranked = known.map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }));
  ranked.sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (best && best.distance <= Math.max(2, Math.floor(key.length / 3))) return `\`${best.name}\`?`;
  return `one of ${known.join(", ")}`;
}

function knownKeys(path: readonly PropertyKey[]): string[] {
  const root = z.toJSONSchema(EndpointConfig, { io: "input", reused: "inline" }) as SchemaNode;
  let properties = propertiesOf(root, root);
  for (const step of path) properties = propertiesOf(root, properties[String(step)]);
  return Object.keys(properties);
}

type SchemaNode = {
  $defs?: Record<string, SchemaNode>;
  $ref?: string;
  properties?: Record<string, SchemaNode>;
  oneOf?: SchemaNode[];
};

/** The properties of an object, or of all that it may be. */
function propertiesOf(root: SchemaNode, schema: SchemaNode | undefined): Record<string, SchemaNode> {
  const node = schema?.$ref ? root.$defs?.[schema.$ref.slice("#/$defs/".length)] : schema;
  return Object.assign({}, ...(node?.oneOf ?? []).map((one) => propertiesOf(root, one)), node?.properties);
}

/** Where a field stands: its value, or its key, or, when it is missing, the nearest thing around it. */
function place(
  lines: LineCounter,
  root: Node | null,
  path: readonly PropertyKey[],
  options: { key: boolean },
): { line: number; column: number } {
  let node: Node | null = root;
  let offset = root?.range?.[0] ?? 0;
  for (let i = 0; i < path.length && isMap(node); i++) {
    const pair: { key: unknown; value: unknown } | undefined = node.items.find(
      (item) => isScalar(item.key) && item.key.value === path[i],
    );
    if (!pair) break;
    const last = i === path.length - 1;
    const value = isNode(pair.value) ? pair.value : null;
    const shownNode = last && options.key ? pair.key : (value ?? pair.key);
    offset = (shownNode as Node).range?.[0] ?? offset;
    node = value;
  }
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function shown(root: Node | null, path: readonly PropertyKey[]): string {
  let value: unknown = root?.toJSON();
  for (const step of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step];
  return value === undefined ? "missing" : (JSON.stringify(value)?.slice(0, 80) ?? String(value));
}

/** What YAML calls them, and what `a` does not fit. */
const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  array: "a list",
  object: "fields of its own",
  record: "fields of its own",
};

function what(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return TYPES[issue.expected] ?? `a ${issue.expected}`;
  if (issue.code === "invalid_value") return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
  if (issue.code === "invalid_union" && "options" in issue && Array.isArray(issue.options)) {
    return `one of ${issue.options.map((value) => JSON.stringify(value)).join(", ")}`;
  }
  if (issue.code === "too_small") return `${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
  if (issue.code === "too_big") return `${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
  return issue.message;
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] as number;
}
