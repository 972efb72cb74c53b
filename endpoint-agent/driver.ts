/**
 * The way to a site on which the agent itself does not run: its scheduler's commands, its files, and a way for managers back to the
 * agent. What speaks for it is chosen by the program that starts the agent.
 */
import type { Settings } from "./config.ts";
import type { EndpointLayout } from "./layout.ts";
import type { Log } from "./log.ts";
import type { ManagerDial } from "./manager-config.ts";
import type { RunCommand } from "./provider/batch/run-command.ts";
import type { JobId, Provider } from "./provider/port.ts";
import type { DriverConfig } from "./provider-config.ts";

export type Driver = {
  /** who submits there */
  readonly user: string;
  readonly run: RunCommand;
  /** where there the directories are that the agent has here as `layout` says */
  readonly places: { dir: string; logDir: string; cacheDir: string };
  /** Puts a block's directory there, as it is here. */
  push(block: string): Promise<void>;
  /** Brings here what blocks have said: how their scripts ended, and the last of their logs. */
  pull(blocks: readonly string[]): Promise<void>;
  /** Removes a block's directory there. */
  remove(block: string): Promise<void>;
  /** Where managers there are to dial, so that they reach an agent that listens at `dial`. */
  door(dial: ManagerDial): Promise<ManagerDial>;
};

export type DriverParts = {
  config: DriverConfig & { type: "ssh" };
  settings: Settings;
  layout: EndpointLayout;
  endpoint: string;
  env: Readonly<Record<string, string>>;
  log: Log;
  signal: AbortSignal;
};
export type OpenDriver = (parts: DriverParts) => Promise<Driver>;

/** What is read more often than this has not changed. */
const PULL_MS = 5_000;

/** A provider whose blocks' files are brought to the site before they are submitted, and what they said back before it is judged. */
export function driven(provider: Provider, driver: Driver, blockOf: (job: JobId) => string): Provider {
  let pulledAt = Number.NEGATIVE_INFINITY;
  return {
    get statusIntervalMs() {
      return provider.statusIntervalMs;
    },
    ...(provider.cancelGraceMs === undefined ? {} : { cancelGraceMs: provider.cancelGraceMs }),
    get trouble() {
      return provider.trouble ?? null;
    },
    async submit(request) {
      await driver.push(request.name);
      return provider.submit(request);
    },
    async status(ids) {
      if (performance.now() - pulledAt > PULL_MS) {
        // Without it nothing new is known of them, which is no reason not to ask the scheduler.
        await driver.pull(ids.map(blockOf)).catch(() => {});
        pulledAt = performance.now();
      }
      return provider.status(ids);
    },
    cancel: (ids, options) => provider.cancel(ids, options),
    find: (name) => provider.find(name),
  };
}
