/**
 * Checks what a worker says of a task. User code lives in the same process and may have learnt the token, so nothing that
 * would upset agent or gateway is passed on (FAULTS.md W10, G9).
 */
import type { ErrorCode } from "../../protocol/errors.ts";
import { TaskFailure } from "../../protocol/task.ts";
import { INLINE_LIMIT_BYTES } from "../../protocol/task-constants.ts";
import type { WorkerResult } from "../../protocol/worker-frames.ts";

/** What a worker itself may say of a task; all other codes are the manager's. */
const CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "USER_ERROR",
  "LOAD_ERROR",
  "EXITED",
  "OOM",
  "RESULT_TOO_LARGE",
  "RESULT_NOT_SERIALISABLE",
]);
const ENCODINGS: ReadonlySet<unknown> = new Set([undefined, "json", "cbor", "raw"]);
const MAX_TEXT = 64 * 1024;
const MAX_DEPTH = 32;

/** What is wrong with a result's frame, if anything is. */
export function resultProblem({ n, ms, encoding }: WorkerResult, body: Uint8Array): string | undefined {
  if (!Number.isInteger(n) || typeof ms !== "number" || !(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER))
    return "its result has no number or no time";
  if (!ENCODINGS.has(encoding)) return "its result has an encoding that is not known";
  if (body.length > INLINE_LIMIT_BYTES) return "its result is longer than may be sent inline";
  return undefined;
}

/** A worker's description of a failure, cut to what may be passed on. */
export function checkedFailure(failure: unknown): TaskFailure {
  const parsed = TaskFailure.safeParse(failure);
  if (!parsed.success || !CODES.has(parsed.data.code)) {
    return { code: "USER_ERROR", message: "the worker's description of a failure could not be read" };
  }
  const { code, message, type, stack, exitCode, details } = parsed.data;
  return {
    code,
    message: cut(message),
    ...(type === undefined ? {} : { type: cut(type) }),
    ...(stack === undefined ? {} : { stack: cut(stack) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(details === undefined || !isSmall(details) ? {} : { details }),
  };
}

function isSmall(details: unknown): boolean {
  return isPlain(details, 0) && JSON.stringify(details).length <= MAX_TEXT;
}

/** Whether everybody's JSON can carry it. */
function isPlain(value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  if (typeof value === "object" && value !== null)
    return Object.values(value).every((item) => isPlain(item, depth + 1));
  return typeof value !== "number" || Number.isFinite(value);
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT).toWellFormed();
}
