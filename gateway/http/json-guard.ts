/**
 * Parses JSON that came from outside. The bytes are scanned before the parser sees them, so that a body which is small but
 * deep or full of keys costs nothing (FAULTS.md, JSON bombs).
 */
import { ApiError } from "../../protocol/errors.ts";

/** What one JSON text may have. */
export const JSON_LIMITS = { depth: 64, keysPerObject: 10_000, keys: 200_000 } as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses JSON within the limits. Integers that a double cannot hold keep their digits (as raw JSON), because arguments
 * are passed on, not computed with. Throws BAD_REQUEST.
 */
export function parseJson(bytes: Uint8Array): unknown {
  checkJsonShape(bytes);
  let text: string;
  try {
    text = decoder.decode(bytes);
    const value = /\d{16}/.test(text) ? JSON.parse(text, keepLongIntegers) : JSON.parse(text);
    if (/__proto__|\\u00/.test(text)) refuseProto(value);
    return value;
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    throw new ApiError("BAD_REQUEST", `the body is not JSON in UTF-8: ${(cause as Error).message}`, { cause });
  }
}

/** Throws BAD_REQUEST when the text nests deeper or has more keys than the limits, without parsing it. */
export function checkJsonShape(bytes: Uint8Array): void {
  const keysAt: number[] = [0];
  let depth = 0;
  let keys = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) {
      i = endOfString(bytes, i + 1);
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (++depth > JSON_LIMITS.depth) throw tooMuch(`nests deeper than ${JSON_LIMITS.depth} levels`);
      keysAt[depth] = 0;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (depth > 0) depth--;
    } else if (byte === COLON) {
      const here = (keysAt[depth] as number) + 1;
      keysAt[depth] = here;
      if (here > JSON_LIMITS.keysPerObject)
        throw tooMuch(`has an object of more than ${JSON_LIMITS.keysPerObject} keys`);
      if (++keys > JSON_LIMITS.keys) throw tooMuch(`has more than ${JSON_LIMITS.keys} keys`);
    }
  }
}

function endOfString(bytes: Uint8Array, from: number): number {
  // indexOf is native and many times faster than a loop; only strings with escapes need the count of backslashes.
  for (let end = bytes.indexOf(QUOTE, from); end !== -1; end = bytes.indexOf(QUOTE, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === BACKSLASH && end - 1 - escapes >= from) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}

function tooMuch(what: string): ApiError {
  return new ApiError("BAD_REQUEST", `the JSON body ${what}`);
}

function keepLongIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !/^-?\d+$/.test(context?.source ?? "")) return value;
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(context?.source as string);
}

function refuseProto(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (Object.hasOwn(value, "__proto__")) throw new ApiError("BAD_REQUEST", "the JSON body has a key __proto__");
  for (const inner of Object.values(value)) refuseProto(inner);
}
