/** Notices whether a task wrote output or started processes, so that only such tasks pay for marks (worker-frames.ts). */
import childProcess from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { writeAll } from "./channel.ts";

export type OutputWatch = {
  /** Whether anything was written or started since the last call; then writes `mark` after it. */
  mark(text: string): boolean;
  /** Whether processes were started since the last call. */
  children(): boolean;
};

/** Watches the ways in which JavaScript reaches descriptors 1 and 2. What native code writes unseen is noticed late. */
export function watchOutput(): OutputWatch {
  let wrote = false;
  let spawned = false;
  const seen = () => {
    wrote = true;
  };
  const spawnSeen = () => {
    spawned = true;
    wrote = true;
  };
  const streams = [watchStream("stdout", seen), watchStream("stderr", seen)];
  subscribe("child_process", spawnSeen);
  for (const name of ["spawnSync", "execSync", "execFileSync"] as const) before(childProcess, name, spawnSeen);
  for (const name of ["writeSync", "write", "writevSync", "writev"] as const) {
    before(fs, name, (fd) => {
      if (fd === 1 || fd === 2) seen();
    });
  }
  syncBuiltinESMExports();
  return {
    mark(text) {
      if (!wrote) return false;
      const bytes = Buffer.from(text);
      for (const [i, stream] of streams.entries()) {
        const opened = stream();
        // Behind what the stream still buffers, else straight to the descriptor.
        if (opened && opened.writableLength > 0) opened.write(bytes);
        else writeMark(i + 1, bytes);
      }
      wrote = false;
      return true;
    },
    children() {
      const had = spawned;
      spawned = false;
      return had;
    },
  };
}

function writeMark(fd: number, bytes: Uint8Array): void {
  try {
    writeAll(fd, bytes, bytes.length);
  } catch {
    // The task closed its stdout or stderr: there is nothing to mark the end of.
  }
}

/** Puts `notice` before every write to a standard stream, which Node makes at its first use. */
function watchStream(name: "stdout" | "stderr", notice: () => void): () => NodeJS.WriteStream | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(process, name) as PropertyDescriptor;
  let opened: NodeJS.WriteStream | undefined;
  Object.defineProperty(process, name, {
    configurable: true,
    enumerable: true,
    get() {
      if (!opened) {
        opened = (descriptor.get ? descriptor.get.call(process) : descriptor.value) as NodeJS.WriteStream;
        before(opened, "write", notice);
      }
      return opened;
    },
  });
  return () => opened;
}

function before<T extends object, K extends keyof T>(target: T, name: K, notice: (...args: unknown[]) => void): void {
  const original = target[name] as (...args: unknown[]) => unknown;
  const wrapped = function (this: unknown, ...args: unknown[]) {
    notice(...args);
    return original.apply(this, args);
  };
  target[name] = Object.assign(wrapped, original) as T[K];
}
