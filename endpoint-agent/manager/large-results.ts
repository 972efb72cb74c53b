/** Results of commands above the inline limit. */
import { writeFileSync } from "node:fs";
import { INLINE_LIMIT_BYTES } from "../../protocol/task-constants.ts";
import { isExhausted } from "./exhaustion.ts";
import type { TaskEnd } from "./task.ts";

/** Puts a result above the inline limit into a file, which goes up later. */
export function keepLarge(end: TaskEnd, file: string): void {
  if (!end.bytes || end.bytes.length <= INLINE_LIMIT_BYTES) return;
  try {
    writeFileSync(file, end.bytes, { mode: 0o600 });
    end.file = file;
  } catch (error) {
    if (isExhausted(error)) throw error;
    const message = `its result could not be stored: ${(error as Error).message}`;
    Object.assign(end, { outcome: "failed", failure: { code: "UNAVAILABLE", message } });
  }
}
