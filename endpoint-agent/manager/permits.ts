/** The pipe of permits of one worker (worker-frames.ts): who reads a permit has the task. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PERMIT_BYTES = 4;

export type Permits = {
  /** The descriptor to pass to the worker; close it with `passed` once the process is started. */
  readonly childFd: number;
  passed(): void;
  /** Lets the worker start the tasks of these numbers; says no where user code has filled the pipe. */
  grant(numbers: readonly number[]): boolean;
  /** Takes every permit back that the worker has not read; returns their numbers. */
  takeBack(): number[];
  close(): void;
};

/**
 * Makes the pipe, in a directory of its own that is there only for a moment. `dir` is the worker's, removed with it: where none
 * of `places` serves, the pipe is made there and keeps its name. Reading it does not wait.
 */
export function createPermits(dir: string, places: readonly string[] = [tmpdir(), "/dev/shm"]): Permits {
  const [fd, childFd] = openNameless(places) ?? openPipe(join(dir, "permits"));
  let open = true;
  const buffer = Buffer.alloc(PERMIT_BYTES * 1024);
  return {
    childFd,
    passed: () => closeSync(childFd),
    grant(numbers) {
      for (let i = 0; i < numbers.length; i++) buffer.writeUInt32BE(numbers[i] as number, i * PERMIT_BYTES);
      try {
        // Within PIPE_BUF, so it is written whole or not at all.
        writeSync(fd, buffer, 0, numbers.length * PERMIT_BYTES);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        return false;
      }
    },
    takeBack() {
      if (!open) return [];
      let length = 0;
      try {
        length = readSync(fd, buffer, 0, buffer.length, null);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      return Array.from({ length: Math.floor(length / PERMIT_BYTES) }, (_, i) => buffer.readUInt32BE(i * PERMIT_BYTES));
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** File servers and FUSE may not know a pipe any more whose name is gone, so it is made on a disk of the node where that can be. */
function openNameless(places: readonly string[]): Ends | undefined {
  for (const place of places) {
    try {
      const ends = openIn(mkdtempSync(join(place, "farcall-permits-")));
      if (isKnown(ends)) return ends;
      for (const fd of ends) closeSync(fd);
    } catch {
      // Full, read-only, or without pipes: the next one.
    }
  }
  return undefined;
}

/** `own` is removed again. */
function openIn(own: string): Ends {
  const path = join(own, "pipe");
  try {
    const ends = openPipe(path);
    unlinkSync(path);
    return ends;
  } finally {
    rmdirSync(own);
  }
}

/** Workers look whether they have it (channel.ts). */
function isKnown([, childs]: Ends): boolean {
  try {
    return fstatSync(childs).isFIFO();
  } catch {
    return false;
  }
}

type Ends = readonly [own: number, childs: number];

/** A pipe of which this process has both ends needs a name: Node has no pipe(2). */
function openPipe(path: string): Ends {
  execFileSync("mkfifo", ["-m", "600", path]);
  const fds: number[] = [];
  try {
    for (const access of [constants.O_RDWR, constants.O_RDONLY])
      fds.push(openSync(path, access | constants.O_NONBLOCK));
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    unlinkSync(path);
    throw error;
  }
  return fds as [number, number];
}
