/** One block as its agent sees it, and the files from which its managers start. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "./config.ts";
import type { BlockRecord } from "./journal-state.ts";
import { managerCommand } from "./launcher/single.ts";
import type { Manager } from "./manager.ts";
import type { ManagerConfig, ManagerDial } from "./manager-config.ts";
import { nodeLogFile } from "./provider/local.ts";
import type { BlockRequest } from "./provider/port.ts";
import { SCALE } from "./units.ts";

export type Block = BlockRecord & {
  state: "pending" | "running" | "draining" | "stopping" | "killed";
  /** when it got into this state, on the clock that counts suspend */
  since: number;
  /** the provider's or the system's own words */
  reason: string | null;
  /** one of its managers has connected */
  connected: boolean;
  /** of an earlier run of the agent */
  adopted: boolean;
};

/** Tasks that its managers have. */
export function busyOf(managers: readonly Manager[]): number {
  let busy = 0;
  for (const manager of managers) busy += manager.tasks.size;
  return busy;
}

/** Workers that its managers run at once. */
export function slotsOf(managers: readonly Manager[]): number {
  let slots = 0;
  for (const manager of managers) slots += manager.capacity.places / SCALE;
  return slots;
}

/** Since when none of them has had a task; null while one has, or while there is none. */
export function idleSinceOf(managers: readonly Manager[]): number | null {
  let latest: number | null = null;
  for (const { idleSince } of managers) {
    if (idleSince === undefined) return null;
    latest = Math.max(latest ?? 0, idleSince);
  }
  return latest;
}

export type BlockFiles = {
  /** Writes the secret and the managers' configurations. */
  prepare(block: Pick<Block, "id" | "nodes" | "walltimeMs">): BlockRequest;
  secretOf(block: string): string | undefined;
  remove(block: string): void;
};

export type BlockFilesOptions = {
  endpoint: string;
  /** 0700 */
  dir: string;
  cacheDir: string;
  dial: ManagerDial;
  settings: Settings;
  managerMain: string;
  /** the environment of managers; workers get a scrubbed one */
  env: Readonly<Record<string, string>>;
};

/** The files of blocks, one directory each. */
export function createBlockFiles(options: BlockFilesOptions): BlockFiles {
  const { settings, dir } = options;
  const secrets = new Map<string, string>();
  const dirOf = (block: string) => join(dir, block);
  return {
    prepare({ id, nodes, walltimeMs }) {
      const blockDir = dirOf(id);
      mkdirSync(blockDir, { recursive: true, mode: 0o700 });
      const secretFile = join(blockDir, "secret");
      const secret = randomBytes(32).toString("base64url");
      writeFileSync(secretFile, secret, { mode: 0o600 });
      secrets.set(id, secret);
      const commands: string[][] = [];
      for (let node = 0; node < nodes; node++) {
        const nodeDir = join(blockDir, `node-${node}`);
        mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
        const config: ManagerConfig = {
          endpoint: options.endpoint,
          block: id,
          node,
          dial: options.dial,
          secretFile,
          dir: nodeDir,
          cacheDir: options.cacheDir,
          logFile: nodeLogFile(blockDir, node),
          logLevel: settings.logLevel,
          capacity: settings.node,
          workersPerNode: settings.policy.workersPerNode,
          python: settings.workers.python,
          env: settings.workers.env,
          orphanTimeoutMs: settings.orphanTimeoutMs,
          walltimeMs,
          limits: settings.limits,
        };
        const configFile = join(blockDir, `node-${node}.json`);
        writeFileSync(configFile, JSON.stringify(config), { mode: 0o600 });
        const { managerMain } = options;
        const { init } = settings.workers;
        commands.push(managerCommand({ node: process.execPath, managerMain, configFile, init }));
      }
      return { name: id, nodes, walltimeMs, commands, env: options.env, dir: blockDir };
    },
    secretOf(block) {
      const known = secrets.get(block);
      if (known !== undefined) return known;
      const path = join(dirOf(block), "secret");
      if (!existsSync(path)) return undefined;
      const secret = readFileSync(path, "utf8").trim();
      secrets.set(block, secret);
      return secret;
    },
    remove(block) {
      secrets.delete(block);
      rmSync(dirOf(block), { recursive: true, force: true });
    },
  };
}
