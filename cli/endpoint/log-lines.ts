import type { CliContext } from "../context.ts";
import { plain } from "../output/text.ts";

export type EndpointLogOptions = { follow?: boolean; lines: number; json?: boolean };

const LEVELS: Record<number, string> = { 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal" };
/** Said once in the heading of the log, not on every line. */
const EVERYWHERE = new Set(["level", "time", "msg", "pid", "part", "endpoint"]);

/** Prints one line of an agent's log, for people or as it is. */
export function printLogLine({ terminal }: CliContext, line: string, { json }: EndpointLogOptions): void {
  if (json) {
    terminal.line(line);
    return;
  }
  let record: { level?: number; time?: number; msg?: string } & Record<string, unknown>;
  try {
    record = JSON.parse(line);
  } catch {
    terminal.line(plain(line));
    return;
  }
  if (record.time === undefined) {
    terminal.line(plain(record.ready === true ? `agent started, epoch ${record.epoch}` : line));
    return;
  }
  const time = new Date(record.time).toISOString();
  const level = LEVELS[record.level ?? 30] ?? String(record.level);
  const facts = Object.entries(record)
    .filter(([key]) => !EVERYWHERE.has(key))
    .map(([key, value]) => `${key}=${key === "err" ? (value as { message?: string }).message : JSON.stringify(value)}`);
  terminal.line(
    plain(`${time} ${level.padEnd(5)} ${record.msg ?? ""}${facts.length > 0 ? ` (${facts.join(" ")})` : ""}`),
  );
}
