/** The canonical text of a call's spec: equal specs have equal text, which is how they are found and compared. */
import type { CallSpec } from "../../../protocol/task.ts";

const FIELDS = [
  "function",
  "endpoint",
  "group",
  "priority",
  "timeoutMs",
  "ttlMs",
  "retries",
  "retryDelayMs",
  "maxAttempts",
  "delivery",
  "resources",
  "env",
  "allowFailure",
  "cancelOnDisconnect",
] as const satisfies readonly (keyof CallSpec)[];

/** Writes a spec with its fields, and those inside it, in one order. */
export function specText(spec: CallSpec): string {
  const ordered: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const value = spec[field];
    if (value === undefined) continue;
    ordered[field] = typeof value === "object" ? sortedKeys(value) : value;
  }
  return JSON.stringify(ordered);
}

function sortedKeys(value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
