/** What the exit code says. `farcall run` exits with the code of the command that it ran instead. */
import { ApiError, type ErrorCode } from "../protocol/errors.ts";
import { isFileRefused } from "./output/errors.ts";

export const EXIT = {
  ok: 0,
  taskFailed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  refused: 5,
  later: 6,
  machine: 7,
  internal: 70,
  interrupted: 130,
} as const;

/** The table as `--help` and the docs show it. */
export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, "it worked"],
  [EXIT.taskFailed, "a task failed, expired or was cancelled"],
  [EXIT.usage, "the command line, an argument or a configuration is wrong"],
  [EXIT.notFound, "no task, function or endpoint of that name"],
  [EXIT.unreachable, "the gateway cannot be reached, or none is configured"],
  [EXIT.refused, "the token is missing, unknown or lacks the scope"],
  [EXIT.later, "a limit is reached: the same may work later"],
  [EXIT.machine, "something on this machine is in the way; the message says what"],
  [EXIT.internal, "an error in Farcall itself"],
  [EXIT.interrupted, "interrupted"],
];

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: EXIT.usage,
  FUNCTION_UNKNOWN: EXIT.notFound,
  ENDPOINT_UNKNOWN: EXIT.notFound,
  UNAVAILABLE: EXIT.unreachable,
  NATS_SERVER_MISSING: EXIT.machine,
  NATS_SERVER_TOO_OLD: EXIT.machine,
  NODE_TOO_OLD: EXIT.machine,
  SSH_FAILED: EXIT.unreachable,
  SSH_HOST_KEY: EXIT.refused,
  SSH_LOGIN_REFUSED: EXIT.refused,
  SITE_UNFIT: EXIT.machine,
  JOURNAL_DAMAGED: EXIT.machine,
  JOURNAL_NEWER: EXIT.machine,
  STORE_CORRUPT: EXIT.machine,
  ENDPOINT_OFFLINE: EXIT.later,
};

const BY_STATUS: Record<number, number> = {
  200: EXIT.taskFailed,
  400: EXIT.usage,
  401: EXIT.refused,
  403: EXIT.refused,
  404: EXIT.notFound,
  409: EXIT.usage,
  410: EXIT.notFound,
  413: EXIT.usage,
  422: EXIT.usage,
  429: EXIT.later,
  507: EXIT.later,
};

/** The exit code for something thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ApiError) return BY_CODE[error.code] ?? BY_STATUS[error.status] ?? EXIT.internal;
  const { name, code, exitCode } = (error ?? {}) as { name?: string; code?: string; exitCode?: number };
  if (name === "TaskError") return EXIT.taskFailed;
  if (name === "AbortError") return EXIT.interrupted;
  if (isFileRefused(error)) return EXIT.machine;
  // Commander's own errors: help and version are no failure.
  if (typeof code === "string" && code.startsWith("commander.")) return exitCode === 0 ? EXIT.ok : EXIT.usage;
  return EXIT.internal;
}
