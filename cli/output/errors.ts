/** What, why and what next: how the CLI shows something thrown. */
import { ApiError, ERRORS, type ErrorCode } from "../../protocol/errors.ts";
import { oneLine, plain } from "./text.ts";

/** The operating system refused a file or a directory: no fault of Farcall. */
export function isFileRefused(error: unknown): error is Error & { code: string } {
  const { code, path } = (error ?? {}) as { code?: unknown; path?: unknown };
  return typeof path === "string" && typeof code === "string" && FILE_REFUSALS.has(code);
}

const FILE_REFUSALS = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENOSPC", "EDQUOT", "ENAMETOOLONG"]);
const FILE_NEXT =
  "Check the path, who may write there, and the space left; XDG_STATE_HOME, XDG_CONFIG_HOME and XDG_CACHE_HOME choose other places.";

export type ShownError = { code: string; message: string; next: string; details?: Record<string, unknown> };

/** The facts of an error, for `--json` and for people; `advice` says better what to do than the error does by itself. */
export function describeError(error: unknown, advice?: string): ShownError {
  const facts = factsOf(error);
  return advice === undefined ? facts : { ...facts, next: advice };
}

function factsOf(error: unknown): ShownError {
  if (error instanceof ApiError) {
    const { code, message, next, details } = error.toJSON();
    return { code, message: plain(message), next, ...(details ? { details } : {}) };
  }
  const { name, code, message } = (error ?? {}) as { name?: string; code?: string; message?: string };
  if (name === "TaskError" && code !== undefined) return describeTaskError(error as TaskErrorLike);
  if (name === "AbortError") return { code: "INTERRUPTED", message: "interrupted", next: "" };
  if (isFileRefused(error)) {
    return { code: error.code, message: plain(error.message.replace(`${error.code}: `, "")), next: FILE_NEXT };
  }
  return { code: "INTERNAL", message: plain(message ?? String(error)), next: ERRORS.INTERNAL.next };
}

/** The lines for stderr. With `debug` the local stack follows. */
export function errorLines(error: unknown, debug: boolean, advice?: string): string[] {
  const { code, message, next } = describeError(error, advice);
  const [first = "", ...rest] = message.split("\n");
  const lines = [`farcall: ${code}: ${first}`, ...rest.map((line) => `  ${line}`)];
  const remote = (error as { remoteStack?: unknown } | null)?.remoteStack;
  if (typeof remote === "string") for (const line of plain(remote).trimEnd().split("\n")) lines.push(`  │ ${line}`);
  if (next !== "") lines.push(`  ${next}`);
  if (debug && error instanceof Error && error.stack) lines.push(error.stack);
  return lines;
}

type TaskErrorLike = Error & {
  code: ErrorCode;
  remoteType?: string;
  taskId?: string;
  endpoint?: string | undefined;
  next?: string;
};

function describeTaskError(error: TaskErrorLike): ShownError {
  const type = error.remoteType && error.remoteType !== error.code ? `${oneLine(error.remoteType)}: ` : "";
  const details = { task: error.taskId, ...(error.endpoint ? { endpoint: error.endpoint } : {}) };
  return {
    code: error.code,
    message: `${type}${plain(error.message)}`,
    next: error.next ?? ERRORS[error.code]?.next ?? "",
    details,
  };
}
