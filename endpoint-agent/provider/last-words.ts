/** The last line of a log that says something, without the JSON around it. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TAIL_BYTES = 8_192;

/** Undefined when the log says nothing, or cannot be read. */
export function lastWords(logFile: string): string | undefined {
  for (const line of tailOf(logFile).trimEnd().split("\n").reverse()) {
    const text = line.trim();
    if (text === "" || text === "}" || text.startsWith("at ") || text.startsWith("Node.js v")) continue;
    try {
      const record = JSON.parse(text) as { level?: number; msg?: string; err?: { message?: string } };
      if ((record.level ?? 0) >= 40) return record.err?.message ? `${record.msg}: ${record.err.message}` : record.msg;
    } catch {
      return text.slice(0, 300);
    }
  }
  return undefined;
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
