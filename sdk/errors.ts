/** What a call can throw: `ApiError` when the gateway or the SDK refuses it, `TaskError` when it ended otherwise than well. */
import { ApiError, ERRORS, type ErrorCode } from "../protocol/errors.ts";
import type { Attempt, TaskFailure } from "../protocol/task.ts";

export { ApiError, type ErrorCode };

/**
 * A task that was accepted and did not succeed: the function threw, ran too long, was cancelled, lost, or expired.
 *
 * @example
 * try {
 *   await divide(1, 0);
 * } catch (error) {
 *   if (error instanceof TaskError) console.error(error.code, error.remoteType, error.message, error.next);
 * }
 */
export class TaskError extends Error {
  override readonly name = "TaskError";
  readonly taskId: string;
  /** from the one table of errors: USER_ERROR, TIMEOUT, OOM, CANCELLED … */
  readonly code: ErrorCode;
  /** the remote exception's own type, such as `RangeError` or `ValueError`, when there was one */
  readonly remoteType: string | undefined;
  /** the remote exception's stack or traceback, when there was one */
  readonly remoteStack: string | undefined;
  /** the endpoint's name or id, when the task got that far */
  readonly endpoint: string | undefined;
  /** every start of the task, and how it ended */
  readonly attempts: readonly Attempt[];
  /** what to do about it */
  readonly next: string;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(
    taskId: string,
    failure: TaskFailure,
    context: { endpoint?: string; attempts?: readonly Attempt[] } = {},
  ) {
    super(failure.message);
    this.taskId = taskId;
    this.code = failure.code;
    this.remoteType = failure.type;
    this.remoteStack = failure.stack;
    this.endpoint = context.endpoint;
    this.attempts = context.attempts ?? [];
    this.next = ERRORS[failure.code].next;
    this.exitCode = failure.exitCode;
    this.signal = failure.signal;
    this.details = failure.details ?? {};
    const where = `    at task ${taskId}${context.endpoint === undefined ? "" : ` on ${context.endpoint}`}`;
    this.stack = `TaskError [${this.code}]: ${this.message}\n${failure.stack ? `${failure.stack}\n` : ""}${where}`;
  }
}
