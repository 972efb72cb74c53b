/** What the agent's tests share: managers and tasks without processes. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManager, type Manager } from "../../endpoint-agent/manager.ts";
import type { ManagerLink } from "../../endpoint-agent/manager-link.ts";
import type { LeaseEntry, LeaseSpec } from "../../protocol/batch.ts";
import { createIdSource } from "../../protocol/ids.ts";
import type { AgentToManager } from "../../protocol/manager-frames.ts";

export const newTaskId = createIdSource();

/** A link that keeps what was sent over it. */
export type RecordedLink = ManagerLink & { sent: { frame: AgentToManager; chunks: readonly Uint8Array[] }[] };

export function recordedLink(): RecordedLink {
  const sent: RecordedLink["sent"] = [];
  return {
    sent,
    open: true,
    send: (frame, chunks = []) => void sent.push({ frame, chunks }),
    belowBuffered: () => Promise.resolve(),
    pause: () => {},
    resume: () => {},
    close: () => {},
  };
}

export type TestManagerOptions = {
  cores?: number;
  memoryMb?: number;
  gpus?: number;
  workers?: number;
  block?: string;
  node?: number;
  nonce?: string;
  remainingMs?: number | null;
};

/** A connected manager that only records. */
export function testManager(options: TestManagerOptions = {}): Manager & { link: RecordedLink } {
  const { cores = 2, memoryMb = 1_024, gpus = 0, block = "block", node = 0, remainingMs = null } = options;
  const hello = {
    block,
    node,
    nonce: options.nonce ?? newTaskId(),
    host: "here",
    bootId: "boot",
    pid: 1,
    startTime: "1",
    capacity: { cores, memoryMb, gpus },
    remainingMs,
  };
  const manager = createManager(hello, { workers: options.workers ?? cores, now: 0 });
  manager.link = recordedLink();
  return manager as Manager & { link: RecordedLink };
}

export function testSpec(change: Partial<LeaseSpec> = {}): LeaseSpec {
  return { key: 1, owner: "alice", function: "f".repeat(64), ...change };
}

/** Entries of `count` tasks with `length` bytes of arguments each. */
export function testEntries(count: number, change: Partial<LeaseEntry> = {}): LeaseEntry[] {
  return Array.from({ length: count }, () => ({ id: newTaskId(), lease: 1, attempt: 0, length: 0, ...change }));
}

/** Waits for a condition; rejects with `what` when it does not come. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Why no small disk can be mounted for a test, or undefined. */
export function whyNoTmpfs(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux to mount a small disk";
  const dir = mkdtempSync(join(tmpdir(), "farcall-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir], { stdio: "ignore" });
    execFileSync("umount", [dir], { stdio: "ignore" });
    return undefined;
  } catch {
    return "mounting is not allowed here";
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
