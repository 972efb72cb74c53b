/** An engine, and blocks over it, at a stand-in scheduler: everything real but the managers, which tests play themselves. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BlockFiles } from "../../../endpoint-agent/block-files.ts";
import { createBlocks } from "../../../endpoint-agent/blocks.ts";
import { createBreaker } from "../../../endpoint-agent/breaker.ts";
import { EndpointConfig, settle } from "../../../endpoint-agent/config.ts";
import { openJournal } from "../../../endpoint-agent/journal.ts";
import type { Manager } from "../../../endpoint-agent/manager.ts";
import type { Contact } from "../../../endpoint-agent/provider/batch/absences.ts";
import { DIALECTS } from "../../../endpoint-agent/provider/batch/dialects.ts";
import { type BatchOptions, createBatchProvider } from "../../../endpoint-agent/provider/batch/engine.ts";
import { type RunCommand, runCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import type { BlockRequest } from "../../../endpoint-agent/provider/port.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";
import { newId } from "../../../protocol/ids.ts";
import type { StandIn } from "../../support/stand-ins/stand-in.ts";

export const ENDPOINT = "01990000-0000-7000-8000-000000000000";
type Logged = { level: string; text: string; facts: Record<string, unknown> };

/** What a test has of the endpoint's own: directories, contacts, the log. Everything ends with `close`. */
export type Bench = {
  dir: string;
  contacts: Map<string, Contact>;
  logged: Logged[];
  config(options?: object): BatchConfig;
  request(options?: Partial<BlockRequest>): BlockRequest;
  /** the real thing; `before` sees each command */
  run(before: (command: { argv: readonly string[] }) => void): RunCommand;
  engine(options?: Partial<BatchOptions>): ReturnType<typeof createBatchProvider>;
  close(): void;
};

/** Waits short enough for tests; a real list still takes its 50 ms. */
export const SHORT = {
  intervalMs: 50,
  minIntervalMs: 50,
  maxIntervalMs: 200,
  doubtMs: 300,
  graceMs: 300,
  deadAfterMs: 200,
  answerMs: 10_000,
  cancelGraceMs: 300,
};

export function openBench(standIn: Pick<StandIn, "bin">, { type = "slurm" as const } = {}): Bench {
  const dir = mkdtempSync(join(tmpdir(), "farcall-batch-"));
  const stop = new AbortController();
  const contacts: Bench["contacts"] = new Map();
  const logged: Logged[] = [];
  const note = (level: string) => (facts: object, text: string) =>
    void logged.push({ level, text, facts: facts as Record<string, unknown> });
  const log = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
  const config = (options: object = {}) =>
    BatchConfig.parse({ type, binDir: standIn.bin, commandTimeoutMs: 5_000, ...options });
  return {
    dir,
    contacts,
    logged,
    config,
    request(options = {}) {
      const name = options.name ?? newId();
      mkdirSync(join(dir, name), { recursive: true });
      const launch = ["sleep", "600"];
      const logFiles = [join(dir, `${name}-0.log`)];
      return {
        name,
        nodes: 1,
        walltimeMs: null,
        commands: [],
        launch,
        logFiles,
        env: {},
        dir: join(dir, name),
        ...options,
      };
    },
    run: (before) => (argv, options) => {
      before({ argv });
      return runCommand(argv, options);
    },
    engine: (options = {}) =>
      createBatchProvider({
        dialect: DIALECTS[type] as NonNullable<(typeof DIALECTS)[typeof type]>,
        config: config(),
        endpoint: ENDPOINT,
        node: { cores: 2, memoryMb: 1_000, gpus: 0 },
        dirOf: (block) => join(dir, block),
        logFileOf: (block) => join(dir, `${block}-0.log`),
        known: [],
        orphanTimeoutMs: 500,
        contactOf: (block) => contacts.get(block),
        run: runCommand,
        env: process.env,
        log,
        signal: stop.signal,
        ...options,
        timing: { ...SHORT, ...options.timing },
      }),
    close() {
      stop.abort();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export type BlocksBench = Awaited<ReturnType<typeof openBlocks>>;

/** Blocks over the engine; the test says what waits and which managers there are. */
export async function openBlocks(
  bench: Bench,
  options: { policy?: object; engine?: Partial<BatchOptions>; launch?: string[] },
) {
  const journal = await openJournal(join(bench.dir, "journal"));
  const provider = bench.engine({ known: [...journal.state.blocks.keys()], ...options.engine });
  const demand: Record<string, number> = {};
  const managers: Manager[] = [];
  const gone: { block: string; reason: string; taken: boolean }[] = [];
  const files: BlockFiles = {
    prepare: ({ id, nodes, walltimeMs }) =>
      bench.request({ name: id, nodes, walltimeMs, ...(options.launch ? { launch: options.launch } : {}) }),
    secretOf: () => "secret",
    remove: () => {},
  };
  const log = (level: string) => (facts: object, text: string) =>
    void bench.logged.push({ level, text, facts: facts as Record<string, unknown> });
  // As the engine's own is, so that both know the same places.
  const { engine: { config: own = bench.config() } = {} } = options;
  const config = {
    name: "x",
    provider: own,
    launcher: { type: "srun" },
    policy: { workersPerNode: 1, ...options.policy },
  };
  const blocks = createBlocks({
    settings: settle(EndpointConfig.parse(config)),
    provider,
    files,
    journal,
    managers: { of: (block: string) => managers.filter(({ hello }) => hello.block === block) } as never,
    breaker: createBreaker({ firstWaitMs: 20, openWaitMs: 60_000, maxWaitMs: 60_000, random: () => 0 }),
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error"), fatal() {} } as never,
    demand: () => demand,
    onChange: () => {},
    onGone(block, end) {
      gone.push({ block, reason: end.reason, taken: end.taken });
      return undefined;
    },
  });
  return {
    blocks,
    provider,
    demand,
    managers,
    gone,
    journal,
    /** As many tasks wait. */
    wait(count: number) {
      demand["1c0m0g"] = count;
      blocks.evaluate();
    },
    async close() {
      blocks.stop();
      await journal.close();
    },
  };
}
