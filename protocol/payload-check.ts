/** Which values JSON carries without loss. */

const MAX_DEPTH = 100;

/**
 * Whether `JSON.parse(JSON.stringify(value))` gives the same value back. Halves of surrogate pairs do come back: they are
 * escaped.
 */
export function isPlainJson(value: unknown): boolean {
  try {
    return isPlain(value, 0);
  } catch {
    // A getter or a proxy threw: encodeCbor says where.
    return false;
  }
}

function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      // A large whole number is written without exponent, and other languages would read an integer.
      return Number.isInteger(value) ? Number.isSafeInteger(value) && !Object.is(value, -0) : Number.isFinite(value);
    case "object":
      return value === null || isPlainHolder(value, depth);
    default:
      return false;
  }
}

function isPlainHolder(value: object, depth: number): boolean {
  if (depth > MAX_DEPTH || "toJSON" in value) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key of Object.keys(value)) {
    if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}
