/** A worker's three ways beside the user's stdio: tasks in, results out, permits to start. */
import fs from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { createFrameReader, FRAME_PREFIX_BYTES, type Frame } from "../../protocol/frame.ts";
import type { ManagerToWorker } from "../../protocol/worker-frames.ts";

// Taken before output-watch.ts wraps them for the user.
const { closeSync, constants, fstatSync, openSync, readSync, writeSync } = fs;

/** As the manager passes them. */
const PASSED = { tasks: 3, results: 4, permits: 5 };
const MAX_FRAME_BYTES = 256 * 1024 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const RETRY_MS = 1;

export type WorkerChannel = {
  /** Calls back with the frames of each read, then with what there was: a read, the stream's end, or something that is no frame. */
  listen(
    onFrame: (frame: ManagerToWorker, body: Uint8Array) => void,
    onEvent: (event: "read" | "end" | "garbage") => void,
  ): void;
  /** The number of the next task that may start; undefined when no permit is there. */
  permit(): number | undefined;
  /** Writes one frame, waiting until the kernel has all of it. */
  write(headerText: string, body: Uint8Array | undefined): void;
};

/**
 * Opens the descriptors that the manager passed, or its named pipes in `dir` where it could pass none; throws when this process was
 * not started by a manager.
 */
export function openChannel(dir?: string): WorkerChannel {
  const fds = dir === undefined ? PASSED : openNamed(dir);
  for (const fd of Object.values(fds)) fstatSync(fd);
  const scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  const number = Buffer.alloc(4);
  return {
    listen(onFrame, onEvent) {
      const input = new Socket({ fd: fds.tasks, readable: true, writable: false });
      const reader = createFrameReader(MAX_FRAME_BYTES);
      input.on("data", (chunk) => {
        let frames: Frame[];
        try {
          frames = reader.push(chunk);
        } catch {
          return onEvent("garbage");
        }
        for (const { header, body } of frames) onFrame(header as ManagerToWorker, body);
        onEvent("read");
      });
      input.on("close", () => onEvent("end"));
      input.on("error", () => onEvent("end"));
    },
    permit() {
      try {
        return readSync(fds.permits, number, 0, 4, null) === 4 ? number.readUInt32BE(0) : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
        throw error;
      }
    },
    write(headerText, body) {
      const bodyLength = body?.length ?? 0;
      // UTF-16 to UTF-8 grows by at most three bytes a unit, so this always has room.
      const room = FRAME_PREFIX_BYTES + headerText.length * 3 + bodyLength;
      const frame = room <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(room);
      const headLength = frame.write(headerText, FRAME_PREFIX_BYTES);
      frame.writeUInt32BE(headLength, 0);
      frame.writeUInt32BE(bodyLength, 4);
      if (body) frame.set(body, FRAME_PREFIX_BYTES + headLength);
      writeAll(fds.results, frame, FRAME_PREFIX_BYTES + headLength + bodyLength);
    },
  };
}

/** A manager that is gone is not waited for. */
function openNamed(dir: string): typeof PASSED {
  const open = (name: keyof typeof PASSED, access: number) => openSync(join(dir, name), access);
  const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
  const tasks = open("tasks", O_RDONLY | O_NONBLOCK);
  const permits = open("permits", O_RDONLY | O_NONBLOCK);
  // This one is refused without a reader. The next has one, and writes to it wait.
  const first = open("results", O_WRONLY | O_NONBLOCK);
  const results = open("results", O_WRONLY);
  closeSync(first);
  return { tasks, results, permits };
}

/** Writes the first `length` bytes, whatever the descriptor's mode is. */
export function writeAll(fd: number, bytes: Uint8Array, length: number): void {
  for (let offset = 0; offset < length; ) {
    try {
      offset += writeSync(fd, bytes, offset, length - offset);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
