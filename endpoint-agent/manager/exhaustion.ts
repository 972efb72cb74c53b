/** What this process or its node has no more of just now: descriptors, processes, threads (FAULTS.md A9). It is waited for. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

const CODES = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

/** So long until what could not be done for want of something is tried again. */
export const EXHAUSTED_RETRY_MS = 1_000;

/** Whether an error says that something is used up: no fault of what was tried. */
export function isExhausted(error: unknown): boolean {
  return CODES.has((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

/** Starts a process. Throws where there is not even a descriptor for its pipes: Node gives one without streams then. */
export function spawnWithPipes(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(file, args, options);
  if ((child.stdio as unknown) !== undefined) return child;
  child.on("error", () => {});
  throw Object.assign(new Error(`spawn ${file} EMFILE`), { code: "EMFILE" });
}

/** Does it now, or as soon as there is something to do it with. */
export function untilPossible(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isExhausted(error)) throw error;
    setTimeout(untilPossible, EXHAUSTED_RETRY_MS, act).unref();
  }
}
