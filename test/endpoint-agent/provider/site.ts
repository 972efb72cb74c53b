/** A scheduler to run the provider suite on, and blocks for it whose nodes run a plain command instead of managers. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Driver, driven, placesIn } from "../../../endpoint-agent/driver.ts";
import type { Contact } from "../../../endpoint-agent/provider/batch/absences.ts";
import type { Dialect } from "../../../endpoint-agent/provider/batch/dialect.ts";
import { DIALECTS } from "../../../endpoint-agent/provider/batch/dialects.ts";
import { createBatchProvider } from "../../../endpoint-agent/provider/batch/engine.ts";
import { jobName, parseJobId } from "../../../endpoint-agent/provider/batch/names.ts";
import { runCommand } from "../../../endpoint-agent/provider/batch/run-command.ts";
import type { Timing } from "../../../endpoint-agent/provider/batch/timing.ts";
import type { JobId, JobStatus, Provider } from "../../../endpoint-agent/provider/port.ts";
import { scriptLogOf } from "../../../endpoint-agent/provider/script-log.ts";
import { BatchConfig } from "../../../endpoint-agent/provider-config.ts";
import type { StandIn } from "../../support/stand-ins/stand-in.ts";
import { waitFor } from "../../support/wait-for.ts";

export type Site = {
  config: Partial<BatchConfig> & Pick<BatchConfig, "type">;
  /** of the agent: what finds the scheduler's commands and configuration */
  env?: Readonly<Record<string, string | undefined>>;
  node?: { cores: number; memoryMb: number; gpus: number };
  /** directories of blocks are made in here; default: the temporary directory */
  dir?: string;
  /** what only a stand-in can do; without it the tests that need faults do not run */
  standIn?: StandIn;
  /** the names of the commands that faults strike */
  commands?: { submit: string; list: string; cancel: string };
  /** the answer of a submission that worked is lost: its exit code and words; default: it hangs until the timeout */
  lostAnswer?: { code: number; stderr: string };
  /** the shortest walltime that it can enforce in a test; null: none */
  walltimeMs?: number | null;
  timing?: Partial<Timing>;
  /** The way to it, where its commands run elsewhere: `here` is what the agent has of blocks, `places` where the site has it. */
  drive?(here: { blocks: string; blockLogs: string }, places: Driver["places"]): Driver;
  stop(): Promise<void>;
};

export const FAST: Partial<Timing> = {
  intervalMs: 100,
  minIntervalMs: 50,
  maxIntervalMs: 200,
  doubtMs: 500,
  minLists: 2,
  graceMs: 60_000,
};

export type World = ReturnType<typeof createWorld>;

/** A provider on a site. `stop` ends its questions; the site's own `stop` ends its jobs. */
export function createWorld(site: Site, { known = [] as readonly string[] } = {}) {
  const root = mkdtempSync(join(site.dir ?? tmpdir(), "blocks-"));
  const endpoint = `conformance-${root.slice(-6)}`;
  const dialect = DIALECTS[site.config.type] as Dialect;
  const ending = new AbortController();
  const contacts = new Map<string, Contact>();
  const warnings: string[] = [];
  const config = BatchConfig.parse({ commandTimeoutMs: 20_000, ...site.config });
  const far = placesIn(join(root, "there"));
  const here = { blocks: join(root, "blocks"), blockLogs: join(root, "logs") };
  for (const dir of site.drive ? [...Object.values(far), ...Object.values(here)] : []) {
    mkdirSync(dir, { recursive: true });
  }
  const driver = site.drive?.(here, far);
  const dirOf = (block: string) => join(driver ? far.dir : root, block);
  const logFileOf = (block: string) => (driver ? join(far.logDir, `${block}-0.log`) : join(root, block, "log"));
  const requested: string[] = [...known];
  const create = (signal: AbortSignal, changes: Partial<BatchConfig> = {}): Provider => {
    const provider = createBatchProvider({
      dialect,
      config: { ...config, ...changes },
      endpoint,
      node: site.node ?? { cores: 1, memoryMb: 512, gpus: 0 },
      dirOf: driver ? (block) => join(here.blocks, block) : dirOf,
      logFileOf: driver ? (block) => join(here.blockLogs, `${block}-0.log`) : logFileOf,
      known: requested,
      orphanTimeoutMs: 3_600_000,
      contactOf: (block) => contacts.get(block),
      run: driver?.run ?? runCommand,
      user: driver?.user,
      bring: driver?.pull,
      env: site.env ?? process.env,
      log: { warn: (facts, text) => warnings.push(`${text} ${JSON.stringify(facts)}`) },
      signal,
      timing: { ...FAST, ...site.timing },
    });
    return driver ? driven(provider, driver, (job) => parseJobId(job).block) : provider;
  };
  const provider = create(ending.signal);
  let blocks = 0;
  return {
    provider,
    dialect,
    endpoint,
    warnings,
    contacts,
    /** Another agent of the same endpoint, that knows all blocks so far. Stop it: later ones are strays to it. */
    other(changes: Partial<BatchConfig> = {}) {
      const other = new AbortController();
      return { provider: create(AbortSignal.any([ending.signal, other.signal]), changes), stop: () => other.abort() };
    },
    nameOf: (block: string) => jobName(endpoint, block, dialect.nameLength),
    dirOf,
    /** Schedulers that spool output deliver it after the end. */
    readLog: (block: string) => {
      const log = scriptLogOf(logFileOf(block));
      return existsSync(log) ? readFileSync(log, "utf8") : "";
    },
    /** A request whose only node runs this shell text. */
    request(shell: string, { walltimeMs = 600_000 as number | null, nodes = 1 } = {}) {
      const name = `block-${++blocks}-${Math.random().toString(36).slice(2, 8)}`;
      requested.push(name);
      mkdirSync(driver ? join(here.blocks, name) : dirOf(name), { recursive: true });
      if (driver) writeFileSync(join(here.blocks, name, "secret"), "secret", { mode: 0o600 });
      const launch = ["/bin/sh", "-c", shell];
      return {
        name,
        nodes,
        walltimeMs,
        commands: [launch],
        launch,
        logFiles: [logFileOf(name)],
        env: {},
        dir: dirOf(name),
      };
    },
    /** What the provider says of a job, asked until it is as expected. */
    async until(job: JobId, expected: (status: JobStatus | undefined) => boolean, what: string): Promise<JobStatus> {
      let status: JobStatus | undefined;
      await waitFor(
        async () => {
          status = (await provider.status([job])).get(job);
          return expected(status);
        },
        { what: `${what} of ${job}`, timeoutMs: 20_000 },
      ).catch((error: Error) => {
        throw new Error(`${error.message}; last: ${JSON.stringify(status)}; ${warnings.slice(-3).join(" | ")}`);
      });
      return status as JobStatus;
    },
    stop() {
      ending.abort();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Its end is proven. */
export const isGone = (status: JobStatus | undefined): boolean => status?.state === "gone";
/** It has started, and may have ended. */
export const isRunning = (status: JobStatus | undefined): boolean => status?.state === "running" || isGone(status);

/** The first answer; while it rejects, it is asked again. */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  let answer: { value: T } | undefined;
  await waitFor(
    async () => {
      answer = await ask().then(
        (value) => ({ value }),
        () => undefined,
      );
      return answer !== undefined;
    },
    { what: "an answer" },
  );
  return (answer as { value: T }).value;
}
