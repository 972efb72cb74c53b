/** Flux's words for states and ends, and its ids. */
import type { JobState } from "../port.ts";
import type { ListedJob } from "./dialect.ts";

/** RFC 21, but for INACTIVE, which `inactive` reads. In CLEANUP processes may live. */
export const FLUX_STATES: Readonly<Record<string, JobState>> = {
  NEW: "pending",
  DEPEND: "pending",
  PRIORITY: "pending",
  SCHED: "pending",
  RUN: "running",
  CLEANUP: "running",
};

const NEVER_RAN = "-128";

/** How it ended; undefined when that is not said in words that are known. */
export function inactive(
  end: Record<"result" | "code" | "type" | "note", string>,
): Omit<ListedJob, "id" | "name"> | undefined {
  const { result, code, type, note } = end;
  const how =
    code === "" || code === NEVER_RAN
      ? ""
      : code.startsWith("-")
        ? `ended by signal ${code.slice(1)}`
        : `exit code ${code}`;
  const why = [type === "exec" ? "" : type, note].filter((part) => part !== "").join(" ");
  const reason = [result, how, why].filter((part) => part !== "").join(": ");
  switch (result) {
    case "COMPLETED":
      return { state: "gone", reason };
    case "CANCELED":
    case "TIMEOUT":
      return { state: "gone", reason, taken: true, cause: result === "TIMEOUT" ? "walltime" : "cancelled" };
    case "FAILED": {
      // It has not seen the processes of a node that it lost end.
      const lost = /\blost (?:contact|connection)|node.?fail|\bunreachable|disconnected/i.test(note);
      return { state: "gone", reason, ...(lost ? { taken: true, cause: "node-failed", unproven: true } : {}) };
    }
    default:
      return undefined;
  }
}

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const MAX_ID = 2n ** 64n;

/** Ids are numbers of 64 bits; they are printed in base 58 behind an f, with or without a hook. */
export function decimalId(text: string): string | undefined {
  if (/^\d{1,20}$/.test(text)) return BigInt(text) < MAX_ID ? String(BigInt(text)) : undefined;
  const digits = /^[fƒ]([1-9A-HJ-NP-Za-km-z]{1,11})$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  let id = 0n;
  for (const digit of digits) id = id * 58n + BigInt(BASE58.indexOf(digit));
  return id < MAX_ID ? String(id) : undefined;
}
