/** Brings an agent up from its directory and takes it down again. */
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ApiError } from "../protocol/errors.ts";
import { type Agent, createAgent } from "./agent.ts";
import { createBlockFiles } from "./block-files.ts";
import { type Blocks, createBlocks } from "./blocks.ts";
import { createBreaker } from "./breaker.ts";
import { type Settings, settle } from "./config.ts";
import { readConfigFile } from "./config-file.ts";
import { type Connection, keepConnected } from "./connection.ts";
import { crashPoint } from "./crash-point.ts";
import { createNatsUser, readCredentials } from "./credentials.ts";
import { lockDirectory } from "./directory-lock.ts";
import { type Driver, type DriverParts, forwardOf, type OpenDriver } from "./driver.ts";
import { createGatewayHttp } from "./gateway-http.ts";
import { sayHello } from "./hello.ts";
import { openJournal } from "./journal.ts";
import { endpointLayout } from "./layout.ts";
import { admission } from "./link/admission.ts";
import { openLink } from "./link/open-link.ts";
import { redirectManagers } from "./link/redirect.ts";
import { createLog, type Log } from "./log.ts";
import { createProvenDead } from "./proven-dead.ts";
import { openProvider } from "./provider/open-provider.ts";
import { createProxy } from "./proxy.ts";

export type RunOptions = {
  dir: string;
  takeOver: boolean;
  version: string;
  /** of managers */
  env: Readonly<Record<string, string>>;
  runtimeDir: string | undefined;
  /** how a site is reached on which the agent does not run */
  openDriver?: OpenDriver | undefined;
  /** aborts what waits for the gateway while the agent starts */
  signal: AbortSignal;
};

/** How a running agent ends. */
export type Running = {
  endpoint: string;
  epoch: number;
  /** Resolves when the agent was fenced and all its work is dead. */
  fenced: Promise<void>;
  /** Finishes what runs, however long that takes, ends the blocks and stops. */
  drain(): Promise<void>;
  /** Makes `drain` kill what still runs. */
  hurry(): void;
  /** Stops at once and leaves the blocks to the next agent of this directory. */
  leave(): Promise<void>;
};

const SUFFIX = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** Starts the agent of a directory; resolves once it has its epoch. */
export async function runAgent(options: RunOptions): Promise<Running> {
  const layout = endpointLayout(options.dir);
  const configured = settle(readConfigFile(layout.config));
  const { endpoint } = await readCredentials(options.dir);
  for (const dir of [layout.state, layout.run, layout.blocks, layout.blockLogs, layout.cache]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  const unlock = lockDirectory(layout.lock);
  const log = createLog({ level: configured.logLevel, endpoint: configured.name });
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const journal = await openJournal(layout.journal);
  const proxy = configured.proxy === undefined ? undefined : createProxy(configured.proxy);
  const http = createGatewayHttp(() => readCredentials(options.dir), stopped.signal, proxy);

  let agent: Agent | undefined;
  let fence = () => {};
  const fenced = new Promise<void>((resolve) => {
    fence = resolve;
  });
  const onFenced = async (error: { code: string; message: string }) => {
    log.fatal({ error }, "this agent is not the endpoint's any more: its work is killed");
    await agent?.kill();
    await stop();
    fence();
  };

  // First: without it there is nothing to run, and whoever must log in has not disturbed another agent yet.
  const driver = await openDriver(options, { settings: configured, layout, endpoint, log, signal });
  const settings: Settings = driver && !driver.nodeManager ? { ...configured, manager: "python" } : configured;
  const user = await untilAnswered(() => createNatsUser(http), { log, signal });
  const connection: Connection = await keepConnected(
    { endpoint, user, proxy, log, signal },
    {
      work: (header, body) => agent?.work(header, body),
      control: (header) => agent?.control(header),
      connected: () => agent?.reconnected(),
      rejected: (error) => (agent ? void onFenced(error) : stopped.abort(error)),
    },
  );
  const { orphanTimeoutMs } = settings;
  const { takeOver, version } = options;
  const journalEpoch = journal.state.epoch;
  const epoch = await sayHello(connection, { endpoint, version, takeOver, orphanTimeoutMs, journalEpoch, log, signal });
  crashPoint("epoch-given");
  await journal.append([{ kind: "epoch", epoch: epoch.epoch }]);
  crashPoint("epoch-journaled");

  const local = settings.provider.type === "local";
  const provenDead = createProvenDead({ endpoint, local, patienceMs: patienceMs(settings) });
  let blocks: Blocks | undefined;
  const listener = await openLink({
    settings: withDoor(settings),
    layout,
    runtimeDir: options.runtimeDir,
    log,
    admit: (credential) => admission(agent && blocks, settings.provider.type, credential),
    onLink: (link) => provenDead.watching((agent as Agent).accept(link)),
  });
  let dial = listener.dial;
  /** Managers of earlier times read there where the agent is now. */
  const redirect = async () => {
    redirectManagers(layout.blocks, dial);
    for (const block of driver ? journal.state.blocks.keys() : []) {
      await driver?.push(block, "configurations").catch((err) => log.warn({ err, block }, "its managers are not told"));
    }
  };
  if (driver) {
    dial = await driver.door(dial, (moved) => {
      dial = moved;
      void redirect();
    });
  }
  await redirect();
  const files = createBlockFiles({
    endpoint,
    dir: layout.blocks,
    logDir: layout.blockLogs,
    cacheDir: layout.cache,
    get dial() {
      return dial;
    },
    seen: driver?.places,
    onRemoved: (block) =>
      void driver?.remove(block).catch((err) => log.debug({ err, block }, "its files stay at the site")),
    settings,
    managerMain: fileURLToPath(new URL(`./manager/main${SUFFIX}`, import.meta.url)),
    nodeManager: driver?.nodeManager,
    // A site knows its own nodes' better.
    env: driver ? {} : options.env,
  });
  agent = await createAgent({
    endpoint,
    dir: options.dir,
    settings,
    version,
    epoch,
    connection,
    http,
    journal,
    log,
    signal: stopped.signal,
    onFenced: (error) => void onFenced(error),
    provenDead: provenDead.of,
    blocks(parts) {
      const { managers } = parts;
      const { signal } = stopped;
      const { env } = options;
      const check = () => blocks?.check();
      const provider = openProvider({ settings, layout, endpoint, journal, managers, log, signal, env, driver, check });
      const breaker = createBreaker({ firstWaitMs: 500, openWaitMs: 30_000, maxWaitMs: 600_000, random: Math.random });
      blocks = createBlocks({ ...parts, settings, provider, files, journal, breaker, log });
      return blocks;
    },
  });
  const stop = async () => {
    agent?.stop();
    await driver?.close();
    stopped.abort();
    await listener.close();
    await connection.close();
    await journal.close();
    unlock();
  };
  return {
    endpoint,
    epoch: epoch.epoch,
    fenced,
    async drain() {
      await agent?.drain();
      await stop();
    },
    hurry: () => agent?.hurry(),
    leave: stop,
  };
}

async function openDriver(
  { openDriver: open, env }: Pick<RunOptions, "openDriver" | "env">,
  parts: Omit<DriverParts, "config" | "env">,
): Promise<Driver | undefined> {
  const config = parts.settings.driver;
  if (config.type === "local") return undefined;
  if (!open) throw new ApiError("CONFIG_INVALID", "driver.type ssh: start this endpoint with `farcall endpoint start`");
  return open({ ...parts, config, env });
}

/** What is passed on by the login node comes in here. */
function withDoor(settings: Settings): Settings {
  if (!forwardOf(settings)) return settings;
  const { link } = settings;
  return { ...settings, link: { ...link, address: link.address ?? "127.0.0.1" } };
}

/** Two lists of a scheduler. */
function patienceMs({ provider }: Settings): number {
  return provider.type === "local" ? 0 : 2 * provider.statusIntervalMs + 10_000;
}

/** Repeats while the gateway is away; what it refuses for good is thrown. */
async function untilAnswered<T>(ask: () => Promise<T>, options: { log: Log; signal: AbortSignal }): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof ApiError && !error.retryable) throw error;
      if (attempt % 20 === 0) options.log.warn({ err: error }, "the gateway does not answer; trying on");
      await sleep(Math.min(5_000, 200 * 2 ** attempt) * (0.5 + Math.random() / 2), undefined, {
        signal: options.signal,
      });
    }
  }
}
