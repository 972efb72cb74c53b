/** What a program that ended too early has said of it, from what it wrote to its log. Pure. */
import { ApiError, ERRORS, type ErrorCode } from "../protocol/errors.ts";

const LONGEST = 400;
/** What Node.js and Python write around the line that says what happened. */
const AROUND = /^(\s|at |Node\.js v|Traceback |node:|file:\/\/|throw |\^+$|[}\])]|triggerUncaughtException)/;
const WARNING_LEVEL = 40;

/** The last error, as our programs write it: `CODE: message`. */
export function saidIn(log: string): ApiError | undefined {
  const [, code, message] = [...log.matchAll(/^([A-Z_]+): (.+)$/gm)].at(-1) ?? [];
  if (code === undefined || message === undefined || !Object.hasOwn(ERRORS, code)) return undefined;
  return new ApiError(code as ErrorCode, message);
}

/** The last line that says something: an exception's, a warning's, else whatever came last; "" for an empty log. */
export function lastWordsIn(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const said = lines.filter((line) => !AROUND.test(line));
  const exception = said.findLast((line) => /^\w*(Error|Exception)\b.*: /.test(line));
  const words = exception ?? said.map(recordText).findLast((line) => line !== undefined) ?? lines.at(-1) ?? "";
  return words.trim().slice(0, LONGEST);
}

/** The text of a line of a log in JSON, if it is a warning or worse; other lines as they are. */
function recordText(line: string): string | undefined {
  if (!line.startsWith("{")) return line;
  try {
    const { level, msg, err } = JSON.parse(line) as { level?: number; msg?: string; err?: { message?: string } };
    if (typeof level !== "number" || level < WARNING_LEVEL) return undefined;
    return err?.message ? `${msg ?? ""}: ${err.message}` : msg;
  } catch {
    return line;
  }
}
