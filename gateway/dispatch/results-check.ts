/** Checks a results message before anything of it is believed: a loop, because there are thousands of entries a second. */
import type { Outcome, ResultEntry, ResultsHeader, StartEntry } from "../../protocol/batch.ts";
import { badField, checkPayloadEntry } from "../../protocol/batch.ts";
import { isId } from "../../protocol/ids.ts";
import { TaskFailure } from "../../protocol/task.ts";

const OUTCOMES = new Set<Outcome>(["succeeded", "failed", "returned", "lost"]);
const MAX_ENTRIES = 20_000;
const MAX_NAME = 200;

/** The header, checked against its body's length. Throws BAD_REQUEST naming the field. */
export function checkResults(header: unknown, bodyLength: number): ResultsHeader {
  if (typeof header !== "object" || header === null) throw badField("", header, "an object { epoch, results, starts }");
  const { epoch, results, starts } = header as Partial<ResultsHeader>;
  if (!isCount(epoch) || epoch === 0) throw badField("epoch", epoch, "a positive number");
  if (!Array.isArray(results) || results.length > MAX_ENTRIES) throw badField("results", typeof results, "an array");
  if (!Array.isArray(starts) || starts.length > MAX_ENTRIES) throw badField("starts", typeof starts, "an array");
  let rest = bodyLength;
  for (let i = 0; i < results.length; i++) rest -= checkResult(results[i] as ResultEntry | null, i);
  if (rest !== 0) throw badField("results", `${bodyLength - rest} bytes announced`, `the body's ${bodyLength} bytes`);
  for (let i = 0; i < starts.length; i++) checkLease(starts[i] as StartEntry | null, "starts", i);
  return header as ResultsHeader;
}

/** Returns how many bytes of the body are the entry's. */
function checkResult(entry: ResultEntry | null, i: number): number {
  checkLease(entry, "results", i);
  const { outcome, failure, ranMs, stdout, stderr, stdoutTotal, stderrTotal, length, blob } = entry as ResultEntry;
  if (!OUTCOMES.has(outcome)) throw badField(`results.${i}.outcome`, outcome, [...OUTCOMES].join(", "));
  if (failure !== undefined && !TaskFailure.safeParse(failure).success) {
    throw badField(`results.${i}.failure`, failure, "a failure with a known code and a message");
  }
  if (ranMs !== undefined && !Number.isFinite(ranMs)) throw badField(`results.${i}.ranMs`, ranMs, "milliseconds");
  let bytes = 0;
  if (length !== undefined || blob !== undefined) bytes = checkPayloadEntry(entry as ResultEntry, `results.${i}`);
  for (const count of [stdout, stderr, stdoutTotal, stderrTotal]) {
    if (count !== undefined && !isCount(count)) throw badField(`results.${i}`, count, "a number of output bytes");
  }
  return bytes + (stdout ?? 0) + (stderr ?? 0);
}

function checkLease(entry: ResultEntry | StartEntry | null, list: string, i: number): void {
  if (typeof entry !== "object" || entry === null) throw badField(`${list}.${i}`, entry, "an object");
  if (!isId(entry.id)) throw badField(`${list}.${i}.id`, entry.id, "a UUIDv7 in lower case");
  if (!isCount(entry.lease)) throw badField(`${list}.${i}.lease`, entry.lease, "a number");
  for (const name of [entry.block, entry.worker]) {
    if (name !== undefined && (typeof name !== "string" || name.length > MAX_NAME)) {
      throw badField(`${list}.${i}`, name, `names of at most ${MAX_NAME} characters`);
    }
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
