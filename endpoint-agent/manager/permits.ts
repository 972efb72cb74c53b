/** The pipe of permits of one worker (worker-frames.ts): who reads a permit has the task. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from "node:fs";

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

/** Makes the pipe; `path` exists only for a moment. Reading it does not wait. */
export function createPermits(path: string): Permits {
  // A pipe of which this process has both ends needs a name for a moment: Node has no pipe(2).
  execFileSync("mkfifo", ["-m", "600", path]);
  const fds: number[] = [];
  try {
    for (const access of [constants.O_RDWR, constants.O_RDONLY])
      fds.push(openSync(path, access | constants.O_NONBLOCK));
  } catch (error) {
    for (const one of fds) closeSync(one);
    throw error;
  } finally {
    unlinkSync(path);
  }
  const [fd, childFd] = fds as [number, number];
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
