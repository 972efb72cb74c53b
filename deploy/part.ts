/** One part of a stack: a process that is started again when it dies. */
import { boundLog } from "./log-file.ts";
import { type Exit, type ProcessSpec, type RunningProcess, startProcess } from "./process.ts";

export type PartState = "stopped" | "starting" | "running" | "restarting" | "failed";

export type PartStatus = {
  name: string;
  state: PartState;
  pid: number | null;
  restarts: number;
  /** why it is not running */
  trouble: string | null;
  logFile: string | null;
};

export type PartOptions = {
  name: string;
  /** made anew for each start */
  spec: () => Promise<ProcessSpec> | ProcessSpec;
  restart: "always" | "never";
  /** exit codes after which it is left alone: it said that starting it again would be wrong */
  finalCodes?: readonly number[];
  onChange?: (status: PartStatus) => void;
};

export type Part = {
  status(): PartStatus;
  /** Resolves with what the process said when it was ready; throws when the first start fails. */
  start(): Promise<Record<string, unknown>>;
  /** SIGKILL. A part with `restart: "always"` comes back by itself. */
  kill(): Promise<void>;
  stop(graceMs: number): Promise<Exit | undefined>;
};

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** After this long the next death is treated as the first. */
const SETTLED_MS = 10_000;
const LOG_CHECK_MS = 30_000;

/** Makes a part; nothing is started yet. */
export function createPart(options: PartOptions): Part {
  let current: RunningProcess | undefined;
  let wanted = false;
  let timer: NodeJS.Timeout | undefined;
  let delayMs = FIRST_DELAY_MS;
  const status: PartStatus = {
    name: options.name,
    state: "stopped",
    pid: null,
    restarts: 0,
    trouble: null,
    logFile: null,
  };
  const become = (change: Partial<PartStatus>) => {
    Object.assign(status, change);
    options.onChange?.({ ...status });
  };

  const launch = async (): Promise<Record<string, unknown>> => {
    const spec = await options.spec();
    status.logFile = spec.logFile;
    boundLog(spec.logFile);
    const startedAt = performance.now();
    const child = await startProcess(spec);
    current = child;
    become({ pid: child.pid });
    let ready = false;
    void child.exited.then((exit) => {
      if (current === child) current = undefined;
      if (performance.now() - startedAt > SETTLED_MS) delayMs = FIRST_DELAY_MS;
      // An end before it was ready is told by `ready`.
      if (ready) ended(exit);
    });
    const info = await child.ready;
    ready = true;
    become({ state: "running", trouble: null });
    keepBounded(spec.logFile, child.exited);
    return info;
  };

  const ended = (exit: Exit) => {
    if (!wanted) return become({ state: "stopped", pid: null });
    const trouble = exit.signal ? `killed by ${exit.signal}` : `ended with code ${exit.code}`;
    const final = exit.code !== null && options.finalCodes?.includes(exit.code);
    const state = exit.code === 0 ? "stopped" : "failed";
    if (options.restart === "never" || final) return become({ state, pid: null, trouble });
    again(trouble);
  };

  const again = (trouble: string) => {
    become({ state: "restarting", pid: null, trouble, restarts: status.restarts + 1 });
    timer = setTimeout(() => {
      launch().catch((error: Error) => (wanted ? again(error.message) : undefined));
    }, delayMs);
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  };

  return {
    status: () => ({ ...status }),
    async start() {
      wanted = true;
      become({ state: "starting" });
      try {
        return await launch();
      } catch (error) {
        wanted = false;
        become({ state: "failed", pid: null, trouble: (error as Error).message });
        throw error;
      }
    },
    async kill() {
      await current?.kill();
    },
    async stop(graceMs) {
      wanted = false;
      clearTimeout(timer);
      const exit = await current?.stop(graceMs);
      become({ state: "stopped", pid: null });
      return exit;
    },
  };
}

/** Looks at the log now and then for as long as the process runs. */
function keepBounded(logFile: string, exited: Promise<unknown>): void {
  let timer: NodeJS.Timeout;
  const look = () => {
    boundLog(logFile);
    timer = setTimeout(look, LOG_CHECK_MS).unref();
  };
  timer = setTimeout(look, LOG_CHECK_MS).unref();
  void exited.then(() => clearTimeout(timer));
}
