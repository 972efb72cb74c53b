/** Chooses who is asked for blocks, as the configuration says. */
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import { uptimeMs } from "../clock.ts";
import type { Settings } from "../config.ts";
import { type Driver, driven } from "../driver.ts";
import type { Journal } from "../journal.ts";
import type { EndpointLayout } from "../layout.ts";
import type { Log } from "../log.ts";
import { DEAD_AFTER_DEADLINE_MS, type Managers } from "../managers.ts";
import type { Contact } from "./batch/absences.ts";
import type { Dialect } from "./batch/dialect.ts";
import { DIALECTS } from "./batch/dialects.ts";
import { createBatchProvider } from "./batch/engine.ts";
import { parseJobId } from "./batch/names.ts";
import { runCommand } from "./batch/run-command.ts";
import { createLocalProvider } from "./local.ts";
import type { Provider } from "./port.ts";

export type ProviderParts = {
  settings: Settings;
  layout: EndpointLayout;
  endpoint: string;
  journal: Journal;
  managers: Pick<Managers, "of">;
  log: Log;
  signal: AbortSignal;
  /** of the agent */
  env: Readonly<Record<string, string | undefined>>;
  /** where the scheduler's commands run, if not here */
  driver: Driver | undefined;
  /** something has ended: a good moment to ask for the status */
  check(): void;
};

/** Makes the provider of an endpoint. */
export function openProvider(parts: ProviderParts): Provider {
  const { settings, layout, endpoint, managers, log, signal, driver } = parts;
  const config = settings.provider;
  if (config.type === "local") {
    const startedAt = uptimeMs();
    const lost = (block: string) => {
      const contact = contactOf(managers, block);
      const silentMs = uptimeMs() - Math.max(startedAt, contact?.at ?? 0);
      return contact?.connected !== true && silentMs > settings.orphanTimeoutMs + DEAD_AFTER_DEADLINE_MS;
    };
    return createLocalProvider({ endpoint, onExit: parts.check, lost });
  }
  const provider = createBatchProvider({
    dialect: dialectOf(config.type),
    config,
    endpoint,
    node: settings.node,
    dirOf: (block) => join(layout.blocks, block),
    logFileOf: (block) => join(layout.blockLogs, `${block}-0.log`),
    known: [...parts.journal.state.blocks.keys()],
    orphanTimeoutMs: settings.orphanTimeoutMs,
    contactOf: (block) => contactOf(managers, block),
    run: driver?.run ?? runCommand,
    bring: driver?.pull,
    user: driver?.user,
    env: parts.env,
    log,
    signal,
  });
  return driver ? driven(provider, driver, (job) => parseJobId(job).block) : provider;
}

/** Of a scheduler's name in the configuration. */
export function dialectOf(type: keyof typeof DIALECTS): Dialect {
  const dialect = DIALECTS[type];
  if (!dialect) throw new ApiError("CONFIG_INVALID", `provider.type: this version does not know ${type}`);
  return dialect;
}

function contactOf(managers: Pick<Managers, "of">, block: string): Contact | undefined {
  const all = managers.of(block);
  if (all.length === 0) return undefined;
  return {
    at: Math.max(...all.map(({ lastSeenAt }) => lastSeenAt)),
    connected: all.some(({ link }) => link !== undefined),
  };
}
