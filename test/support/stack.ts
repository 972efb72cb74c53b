/** A real, whole Farcall for tests: a nats-server, a gateway and an agent, each a process, in a temporary directory. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureNatsServer } from "../../deploy/nats/server.ts";
import { type StackOptions, startStack as startParts } from "../../deploy/stack.ts";
import { processesUnder } from "./processes.ts";

export type TestStackOptions = {
  /** kept at the end when given; else a temporary one that is removed */
  dir?: string;
  /** one called `laptop` if not said; their configuration beside the name as in config.yaml */
  endpoints?: StackOptions["endpoints"];
  durability?: "disk" | "fast";
  /** more of gateway.yaml */
  gateway?: Record<string, unknown>;
  env?: Record<string, string>;
};

export type TestStack = {
  url: string;
  /** the admin token */
  token: string;
  natsUrl: string;
  dir: string;
  /** the id of the first endpoint */
  endpoint: string;
  endpoints: { name: string; id: string; dir: string }[];
  /** the process id of `nats`, `gateway` or `agent` (the first; others are `agent:<name>`) */
  pid(part: string): number;
  /** SIGKILL; it stays dead until `restart`. */
  kill(part: string): Promise<void>;
  /** Stops it with SIGTERM if it runs, and starts it again on the same port and directory. */
  restart(part: string): Promise<void>;
  /** Stops everything and removes the temporary directory. */
  stop(): Promise<void>;
};

/** Starts a stack; parts that die stay dead. `await using stack = await startStack()` stops it by itself. */
export async function startStack(options: TestStackOptions = {}): Promise<TestStack & AsyncDisposable> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "farcall-stack-")));
  const removeDir = () => (options.dir ? Promise.resolve() : rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  try {
    const { path: natsServer } = await ensureNatsServer({ log: (line) => process.stderr.write(`${line}\n`) });
    const stack = await startParts({
      dir,
      natsServer,
      endpoints: options.endpoints ?? [{ name: "laptop" }],
      durability: options.durability ?? "disk",
      restart: "never",
      ...(options.gateway ? { gateway: options.gateway } : {}),
      env: { ...process.env, ...options.env },
    });
    const partOf = (name: string) => stack.part(name === "agent" ? `agent:${stack.endpoints[0]?.name}` : name);
    // A test process that dies must not leave its stack behind.
    const endNow = () => endAllUnder(dir);
    process.once("exit", endNow);
    const stop = async () => {
      await stack.stop({ graceMs: 500 });
      // The managers of an agent that was killed would run on for their orphan timeout.
      endNow();
      process.removeListener("exit", endNow);
      await removeDir();
    };
    return {
      url: stack.url,
      token: stack.token,
      natsUrl: stack.natsUrl,
      dir,
      endpoint: stack.endpoints[0]?.id ?? "",
      endpoints: stack.endpoints,
      pid(part) {
        const { pid } = partOf(part).status();
        if (pid === null) throw new Error(`${part} does not run`);
        return pid;
      },
      kill: (part) => partOf(part).kill(),
      async restart(part) {
        await partOf(part).stop(10_000);
        await partOf(part).start();
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await removeDir();
    throw error;
  }
}

function endAllUnder(dir: string): void {
  for (const pid of processesUnder(dir, "pid")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}
