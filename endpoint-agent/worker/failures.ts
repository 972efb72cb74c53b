/** What went wrong in user code, as it is sent back. */
import type { ErrorCode } from "../../protocol/errors.ts";
import type { TaskFailure } from "../../protocol/task.ts";

const MAX_TEXT = 16 * 1024;
const MAX_CAUSES = 5;

/** Describes whatever was thrown: its type, message and stack, and those of its causes. */
export function failureOf(thrown: unknown, code: ErrorCode = "USER_ERROR"): TaskFailure {
  try {
    if (thrown instanceof Error || hasMessage(thrown)) {
      const error = thrown as Error;
      return {
        code,
        type: cut(typeName(error)),
        message: cut(String(error.message)),
        ...(typeof error.stack === "string" ? { stack: cut(stackOf(error)) } : {}),
      };
    }
    return { code, type: thrown === null ? "null" : typeof thrown, message: cut(String(thrown)) };
  } catch (cause) {
    // Getters and toString of a thrown object are user code too.
    return { code, type: "unknown", message: `something was thrown that cannot be described (${typeof cause})` };
  }
}

function typeName(error: Error): string {
  const own = error.constructor?.name;
  // A subclass that does not set `name` is still told apart by its class.
  return error.name && error.name !== "Error" ? String(error.name) : own || "Error";
}

function stackOf(error: Error): string {
  let text = userFrames(String(error.stack));
  let cause = error.cause;
  for (let i = 0; i < MAX_CAUSES && cause instanceof Error; i++) {
    text += `\n[cause]: ${userFrames(String(cause.stack ?? cause.message))}`;
    cause = cause.cause;
  }
  return text;
}

/** The worker's own frames say nothing to the user. */
function userFrames(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => !/\/endpoint-agent\/worker\/[a-z-]+\.[jt]s:/.test(line))
    .join("\n");
}

function hasMessage(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && typeof (thrown as { message?: unknown }).message === "string";
}

function cut(text: string): string {
  const whole = text.toWellFormed();
  return whole.length <= MAX_TEXT ? whole : `${whole.slice(0, MAX_TEXT).toWellFormed()}… (${whole.length} characters)`;
}
