/**
 * Writes the write-ahead log's file to its usual size ahead of need: an fsync of blocks that are there already takes 130 us
 * where one that has to record new blocks takes 220 (docs/adr/0012-latency-of-one-call.md).
 */
import { closeSync, fstatSync, fsyncSync, openSync, statfsSync, writeSync } from "node:fs";

/** A step is a few milliseconds, which is what it may delay a commit. */
const STEP_BYTES = 1024 * 1024;
const STEP_EVERY_MS = 20;
/** Where room is short, what is kept free is worth more. */
const FREE_AT_LEAST_BYTES = 1024 ** 3;
/** Not while the first calls of a start come. */
const FIRST_AFTER_MS = 1_000;

export type WalRoom = { stop(): void };

/**
 * Grows `file` step by step to `bytes`. SQLite ends the log at the first frame whose checksum does not fit, so zeros behind
 * the last one mean nothing; whatever goes wrong, it lets the log grow by itself.
 */
export function growWal(file: string, bytes: number): WalRoom {
  const zeros = new Uint8Array(STEP_BYTES);
  const step = () => {
    if (growOnce(file, zeros, bytes)) timer = setTimeout(step, STEP_EVERY_MS);
  };
  let timer = setTimeout(step, FIRST_AFTER_MS);
  return { stop: () => clearTimeout(timer) };
}

/** Adds one step at the end; returns whether another one is needed. */
function growOnce(file: string, zeros: Uint8Array, bytes: number): boolean {
  let fd: number | undefined;
  try {
    const { bavail, bsize } = statfsSync(file);
    if (bavail * bsize < FREE_AT_LEAST_BYTES) return false;
    fd = openSync(file, "r+");
    const { size } = fstatSync(fd);
    const length = Math.min(zeros.length, bytes - size);
    if (length <= 0) return false;
    writeSync(fd, zeros, 0, length, size);
    fsyncSync(fd);
    return size + length < bytes;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
