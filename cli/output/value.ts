/** Results as text, and as JSON where JSON can carry them. */
import { inspect } from "node:util";
import { byteSize, plain } from "./text.ts";

/** A value for people: text as it is, plain data as JSON, everything else as Node.js shows it. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return plain(value);
  if (value === undefined) return "";
  if (value instanceof Uint8Array) return `${byteSize(value.length)} of bytes (pipe the output to keep them)`;
  const json = JSON.stringify(value, null, 2);
  if (isPlain(value) && json !== undefined) return plain(json);
  return plain(inspect(value, { depth: 6, maxArrayLength: 200, colors: false, compact: 3 }));
}

/** A value for `--json`: what JSON cannot carry becomes the nearest that it can. */
export function valueJson(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Map) return [...value].map(([key, held]) => [valueJson(key), valueJson(held)]);
  if (value instanceof Set || ArrayBuffer.isView(value)) return [...(value as Iterable<unknown>)].map(valueJson);
  if (Array.isArray(value)) return value.map(valueJson);
  if (value instanceof Error) return { name: value.name, message: value.message };
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, valueJson(held)]));
}

function isPlain(value: unknown): boolean {
  if (value === null || typeof value === "boolean" || typeof value === "string") return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every(isPlain);
}
