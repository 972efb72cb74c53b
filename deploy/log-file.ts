/** Log files of parts do not grow without bound: the last so many bytes, and as many before them in `<file>.1`. */
import { copyFileSync, statSync, truncateSync } from "node:fs";

const MAX_LOG_BYTES = 16 * 1024 * 1024;

/**
 * Moves what a log holds to `<file>.1` when it is too large. The file itself stays, because a running process appends to it;
 * lines written between the copy and the cut are lost.
 */
export function boundLog(file: string, maxBytes = MAX_LOG_BYTES): void {
  try {
    if (statSync(file).size <= maxBytes) return;
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
