/** Structured logs: JSON lines on stderr. */
import { destination, type Logger, pino } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

/** Of lines that a disk which does not answer has not taken; what is above is dropped. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024;

/**
 * The agent's logger. It never waits for the disk: a log on a file server that hangs must not stop the heartbeat (FAULTS.md
 * A10). What is not written at the exit is written then.
 */
export function createLog(options: { level: string; endpoint: string }): Log {
  return pino(
    { level: options.level, base: { part: "agent", endpoint: options.endpoint, pid: process.pid } },
    destination({ dest: 2, sync: false, maxLength: MAX_UNWRITTEN_BYTES }),
  );
}
