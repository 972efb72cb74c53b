/** docs/errors.md, from the one table of errors. */
import { ERRORS, type ErrorEntry } from "../../protocol/errors.ts";
import { generatedNotice, table } from "./markdown.ts";

/** How a task's own failure is shown in the status column: it is stored with the task and never an HTTP status. */
const TASK_FAILURE_STATUS = 200;

/** The whole page. */
export function errorsPage(): string {
  const entries = Object.entries(ERRORS) as [string, ErrorEntry][];
  const answers = entries.filter(([, entry]) => entry.status !== TASK_FAILURE_STATUS);
  const failures = entries.filter(([, entry]) => entry.status === TASK_FAILURE_STATUS);
  return [
    "# Errors",
    generatedNotice("protocol/errors.ts"),
    "Every error says what happened, why, and what to do next, under a code that does not change. Over HTTP it is\n`{ code, message, next, retryable, details? }`; the SDK throws it as `ApiError` with the same fields.",
    "## Answers to requests",
    "*Again* says whether the same request may succeed later without a change.",
    table(
      ["code", "status", "again", "what", "what next"],
      answers.map(([code, entry]) => [
        `\`${code}\``,
        String(entry.status),
        entry.retryable ? "yes" : "no",
        entry.what,
        entry.next,
      ]),
    ),
    "## How tasks end",
    "These are stored with the task as its `failure`; the SDK throws them as `TaskError`.",
    table(
      ["code", "what", "what next"],
      failures.map(([code, entry]) => [`\`${code}\``, entry.what, entry.next]),
    ),
    "",
  ].join("\n\n");
}
