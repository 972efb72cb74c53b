/** How workers of each runtime are started, and whether they may be just now: what does not start is tried less and less often. */
import { fileURLToPath } from "node:url";
import type { Runtime } from "./functions.ts";
import type { WorkerCommand } from "./worker-process.ts";

export type Runtimes = {
  commandOf(runtime: Runtime, options: { memoryMb: number; inImage: boolean }): WorkerCommand;
  mayStart(runtime: Runtime): boolean;
  started(runtime: Runtime): void;
  /** A worker ended before it was ready, or its interpreter is missing. Returns how many did so in a row. */
  failed(runtime: Runtime, missing: boolean): number;
};

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 30_000;
/** Where there is no cgroup, a heap limit somewhat below the task's turns most overruns into an early, clear end. */
const HEAP_SHARE = 0.9;

export type RuntimesOptions = {
  python: string;
  /** where Node keeps what it compiled: a worker starts in half the time */
  compileCache: string;
  /** a runtime may be started again */
  onRetry(): void;
};

/** Runtimes of one manager. */
export function createRuntimes({ python, compileCache, onRetry }: RuntimesOptions): Runtimes {
  const failures = new Map<Runtime, { count: number; until: number }>();
  return {
    commandOf(runtime, { memoryMb, inImage }) {
      if (runtime === "python") {
        return { file: inImage ? "python3" : python, args: ["-u", workerFile("farcall_worker.py")] };
      }
      const heap = memoryMb > 0 ? [`--max-old-space-size=${Math.max(16, Math.floor(memoryMb * HEAP_SHARE))}`] : [];
      return {
        file: inImage ? "node" : process.execPath,
        args: ["--no-warnings", ...heap, workerFile(`node-worker${sourceExtension()}`)],
        ...(inImage ? {} : { env: { NODE_COMPILE_CACHE: compileCache } }),
      };
    },
    mayStart: (runtime) => (failures.get(runtime)?.until ?? 0) <= performance.now(),
    started: (runtime) => failures.delete(runtime),
    failed(runtime, missing) {
      const count = (failures.get(runtime)?.count ?? 0) + 1;
      // A missing interpreter is found out at once and costs nothing.
      const backoff = missing ? BACKOFF_FIRST_MS : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (count - 1));
      failures.set(runtime, { count, until: performance.now() + backoff });
      setTimeout(onRetry, backoff + 1).unref();
      return count;
    },
  };
}

/** The path of a file beside the workers' sources, also when these were compiled. */
function workerFile(name: string): string {
  return fileURLToPath(new URL(`../worker/${name}`, import.meta.url));
}

/** ".ts" in the repository, ".js" in the package. */
export function sourceExtension(): string {
  return import.meta.url.endsWith(".ts") ? ".ts" : ".js";
}
