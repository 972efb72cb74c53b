/**
 * The disk under the database (PROTOCOL.md rule 27): new tasks are refused while it is nearly full, and a ballast file is given
 * up when it is quite full, so that results and cancels still land.
 */
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { ApiError } from "../../../../protocol/errors.ts";

export type Disk = {
  /** Throws STORAGE_FULL while there is no room for new tasks. */
  admit(): void;
  /** Gives the ballast up; false when there is none left. */
  freeBallast(): boolean;
  stats(): { walBytes: number; freeBytes: number; full: boolean };
};

export type DiskOptions = { file: string; minFreeBytes: number; ballastBytes: number };

/** The free space is asked for again after this time. */
const CHECK_MS = 1000;
const CHUNK_BYTES = 1024 * 1024;

/** Watches the disk that holds `file`, and keeps the ballast beside it. */
export function createDisk({ file, minFreeBytes, ballastBytes }: DiskOptions): Disk {
  const ballast = `${file}.ballast`;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let freeBytes = Number.POSITIVE_INFINITY;
  let full = false;

  function check(): void {
    const now = performance.now();
    if (now - checkedAt < CHECK_MS) return;
    checkedAt = now;
    const { bavail, bsize } = statfsSync(dirname(file));
    freeBytes = bavail * bsize;
    const hasBallast = sizeOf(ballast) === ballastBytes;
    full = freeBytes < minFreeBytes + (hasBallast ? 0 : ballastBytes);
    // Made anew before the first task is let in again, else the next time there would be nothing to give up.
    if (!full && !hasBallast) full = !makeBallast(ballast, ballastBytes);
  }

  return {
    admit() {
      check();
      if (!full) return;
      throw new ApiError(
        "STORAGE_FULL",
        `the disk of the database has ${freeBytes} bytes free; new tasks need ${minFreeBytes}`,
        {
          details: { retryAfterMs: 5000, freeBytes, minFreeBytes },
        },
      );
    },
    freeBallast() {
      full = true;
      checkedAt = performance.now();
      if (sizeOf(ballast) === 0) return false;
      rmSync(ballast, { force: true });
      return true;
    },
    stats() {
      check();
      return { walBytes: sizeOf(`${file}-wal`), freeBytes, full };
    },
  };
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Writes real bytes: a file with holes would hold no space. */
function makeBallast(file: string, bytes: number): boolean {
  const fd = openSync(file, "w", 0o600);
  try {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, bytes), 0x62);
    for (let written = 0; written < bytes; written += chunk.length)
      writeSync(fd, chunk, 0, Math.min(chunk.length, bytes - written));
    return true;
  } catch {
    rmSync(file, { force: true });
    return false;
  } finally {
    closeSync(fd);
  }
}
