/** Which values JSON carries without loss, and which nothing carries. */

/** Whether `JSON.parse(JSON.stringify(value))` gives the same value back. */
export function isPlainJson(value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object": {
      if (value === null) return true;
      if (depth > 100) return false;
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length; i++) if (!isPlainJson(value[i], depth + 1)) return false;
        return true;
      }
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) return false;
      if ("toJSON" in value) return false;
      for (const key in value) {
        if (key === "__proto__" || !isPlainJson((value as Record<string, unknown>)[key], depth + 1)) return false;
      }
      return Object.getOwnPropertySymbols(value).length === 0;
    }
    default:
      return false;
  }
}

export type Unserialisable = { path: string; what: string };

/** The first part of a value that no encoding carries: a function, a symbol, a getter that throws, a promise. */
export function findUnserialisable(
  value: unknown,
  path = "value",
  seen = new Set<object>(),
): Unserialisable | undefined {
  if (typeof value === "function") return { path, what: "a function" };
  if (typeof value === "symbol") return { path, what: "a symbol" };
  if (typeof value !== "object" || value === null) return undefined;
  if (seen.has(value)) return { path, what: "a cycle" };
  if (value instanceof Promise) return { path, what: "a promise (await it first)" };
  if (value instanceof WeakMap || value instanceof WeakSet) return { path, what: "a weak collection" };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Date) return undefined;
  seen.add(value);
  try {
    const entries =
      value instanceof Map || value instanceof Set ? value.entries() : Object.keys(value).map((key) => [key]);
    for (const [key, held] of entries) {
      const name = `${path}.${typeof key === "object" ? "[key]" : String(key)}`;
      let child = held;
      if (held === undefined && !(value instanceof Map)) {
        try {
          child = (value as Record<string, unknown>)[key as string];
        } catch (error) {
          return { path: name, what: `a getter that throws (${String(error)})` };
        }
      }
      const problem = findUnserialisable(child, name, seen);
      if (problem) return problem;
    }
  } finally {
    seen.delete(value);
  }
  return undefined;
}
