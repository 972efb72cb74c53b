/**
 * The way to a site on which the agent itself does not run: its scheduler's commands, its files, and a way for managers back to the
 * agent. What speaks for it is chosen by the program that starts the agent.
 */
import { join } from "node:path";
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
  /** what starts a manager in Node.js there; undefined: only the one in Python runs there */
  readonly nodeManager: readonly string[] | undefined;
  /** where there the directories are that the agent has here as `layout` says */
  readonly places: { dir: string; logDir: string; cacheDir: string };
  /** Commands get there. While they do not, nothing new is known of the site, and nothing is asked of it. */
  readonly connected: boolean;
  /** Resolves when they do; rejects when the agent ends. */
  ready(): Promise<void>;
  /** What is wrong with the way there or back, and what helps; null while all is well. */
  readonly trouble: string | null;
  /** Puts a block's directory there, as it is here, or only its managers' configurations. */
  push(block: string, which?: "all" | "configurations"): Promise<void>;
  /** Brings here what blocks have said: how their scripts ended, and the last of their logs. */
  pull(blocks: readonly string[]): Promise<void>;
  /** Removes a block's directory there, later if it cannot be now. */
  remove(block: string): Promise<void>;
  /** Where managers there are to dial, so that they reach an agent that listens at `dial`; `onMoved` when that changes. */
  door(dial: ManagerDial, onMoved: (dial: ManagerDial) => void): Promise<ManagerDial>;
  /** Before its end: what was to be removed goes. */
  close(): Promise<void>;
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

/** Where the login node listens for managers; undefined where they dial the agent's own machine, as `link` then says. */
export function forwardOf({
  driver,
  link,
}: Pick<Settings, "driver" | "link">): { address?: string | undefined; port?: number | undefined } | undefined {
  if (driver.type === "local") return undefined;
  return driver.forward ?? (link.address === undefined && link.interface === undefined ? {} : undefined);
}

/** The directories of an endpoint at a site. */
export function placesIn(dir: string): Driver["places"] {
  return { dir: join(dir, "blocks"), logDir: join(dir, "logs"), cacheDir: join(dir, "cache") };
}

/** What is read more often than this has not changed. */
const PULL_MS = 1_000;
/** How often it is looked whether there is a connection again. */
const LOOK_MS = 1_000;

/** A provider whose blocks' files are brought to the site before they are submitted, and what they said back before it is judged. */
export function driven(provider: Provider, driver: Driver, blockOf: (job: JobId) => string): Provider {
  let pulledAt = Number.NEGATIVE_INFINITY;
  /** Of which the scheduler has certainly not heard. */
  const unsent = new Set<string>();
  /** Cancels that wait for a connection, and whether with force. */
  const unwanted = new Map<JobId, boolean>();
  let cancelling: Promise<void> | undefined;
  const cancelLater = async () => {
    await driver.ready();
    cancelling = undefined;
    const all = [...unwanted];
    unwanted.clear();
    for (const force of [false, true]) {
      const ids = all.flatMap(([id, forced]) => (forced === force ? id : []));
      if (ids.length > 0) await provider.cancel(ids, { force });
    }
  };
  const send = async (block: string) => {
    for (;;) {
      await driver.ready();
      if (!unsent.has(block)) throw new Error("it was given up before the site could be reached");
      try {
        return await driver.push(block);
      } catch (error) {
        if (driver.connected) throw error;
      }
    }
  };
  return {
    ...provider,
    get statusIntervalMs() {
      return driver.connected ? provider.statusIntervalMs : LOOK_MS;
    },
    get trouble() {
      return driver.trouble ?? provider.trouble ?? null;
    },
    async submit(request) {
      unsent.add(request.name);
      await send(request.name);
      unsent.delete(request.name);
      return provider.submit(request);
    },
    async status(ids) {
      if (!driver.connected) return new Map();
      if (performance.now() - pulledAt > PULL_MS) {
        // Without it nothing new is known of them, which is no reason not to ask the scheduler.
        await driver.pull(ids.map(blockOf)).catch(() => {});
        pulledAt = performance.now();
      }
      return provider.status(ids);
    },
    cancel(ids, { force }) {
      if (driver.connected) return provider.cancel(ids, { force });
      for (const id of ids) unwanted.set(id, force || unwanted.get(id) === true);
      cancelling ??= cancelLater();
      return cancelling;
    },
    async find(name) {
      if (unsent.delete(name)) return undefined;
      // Whether its script has begun decides.
      await driver.pull([name]);
      return provider.find(name);
    },
  };
}
