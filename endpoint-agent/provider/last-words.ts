/** The last line of a log that says something, without the JSON around it. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TAIL_BYTES = 8_192;

/** What a scheduler says of a cause; what its launcher says after that is only what followed. */
const CAUSE = /exceeded .*memory|out of memory|oom.?kill|due to (?:time limit|preemption|node failure)/i;

/**
 * Of the first log that says something, unless one of them names a cause. Undefined when they say nothing, or cannot be
 * read.
 */
export function lastWords(...logFiles: readonly string[]): string | undefined {
  const said = logFiles.map((file) => wordsOf(tailOf(file)));
  return said.flat().find((words) => CAUSE.test(words)) ?? said.find((words) => words.length > 0)?.[0];
}

/** The last line comes first. */
function wordsOf(text: string): string[] {
  const found: string[] = [];
  for (const line of text.trimEnd().split("\n").reverse()) {
    const words = wordsOfLine(line.trim());
    if (words !== undefined) found.push(words);
  }
  return found;
}

function wordsOfLine(text: string): string | undefined {
  if (text === "" || text === "}" || text.startsWith("at ") || text.startsWith("Node.js v")) return undefined;
  try {
    const record = JSON.parse(text) as { level?: number; msg?: string; err?: { message?: string } };
    if ((record.level ?? 0) < 40) return undefined;
    return record.err?.message ? `${record.msg}: ${record.err.message}` : record.msg;
  } catch {
    return text.slice(0, 300);
  }
}

function tailOf(file: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const bytes = readSync(fd, tail, 0, tail.length, size - tail.length);
    return tail.toString("utf8", 0, bytes);
  } catch {
    return "";
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
