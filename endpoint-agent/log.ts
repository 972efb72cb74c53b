/** Structured logs: JSON lines on stderr. */
import { destination, type Logger, pino } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

/** The agent's logger. Synchronous, so that the last line before an exit is written. */
export function createLog(options: { level: string; endpoint: string }): Log {
  return pino(
    { level: options.level, base: { part: "agent", endpoint: options.endpoint, pid: process.pid } },
    destination({ dest: 2, sync: true }),
  );
}
