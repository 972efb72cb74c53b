/** The files from which a block's managers start, and their logs. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Block } from "./block.ts";
import type { Settings } from "./config.ts";
import { createDiskGate } from "./disk-gate.ts";
import { LAUNCH_SCRIPT } from "./launcher/launch-script.ts";
import { launchers } from "./launcher/launchers.ts";
import { managerCommand } from "./launcher/manager-command.ts";
import { type FailedNode, readNodeEnds } from "./launcher/node-ends.ts";
import { nodeScript } from "./launcher/node-script.ts";
import { BLOCK_ENV, type ManagerConfig, type ManagerDial } from "./manager-config.ts";
import type { BlockRequest } from "./provider/port.ts";
import { pythonManagerFile } from "./python-manager.ts";

/** Logs of managers whose blocks are gone: the newest are kept. */
const KEPT_LOGS = 50;

export type BlockFiles = {
  /** Writes the secret and the managers' configurations. */
  prepare(block: Pick<Block, "id" | "nodes" | "walltimeMs">): BlockRequest;
  /** Undefined when the block has none; throws when that cannot be known. */
  secretOf(block: string): string | undefined;
  remove(block: string): void;
  /** Nodes whose manager, or what comes before it, ended with an error, as they have written down themselves. */
  failedNodes?(block: string): FailedNode[];
  /** Whether their disk answers: nothing else here waits for it. */
  answers?(): Promise<boolean>;
};

export type BlockFilesOptions = {
  endpoint: string;
  /** 0700; one directory a block, removed at its end */
  dir: string;
  /** 0700; logs outlive their blocks */
  logDir: string;
  cacheDir: string;
  /** where its nodes see these directories, if not there */
  seen?: { dir: string; logDir: string; cacheDir: string } | undefined;
  /** A block's directory is removed. */
  onRemoved?(block: string): void;
  dial: ManagerDial;
  settings: Settings;
  managerMain: string;
  /** what starts a manager in Node.js where its nodes are, if not this program and `managerMain` */
  nodeManager?: readonly string[] | undefined;
  /** the environment of managers; workers get a scrubbed one */
  env: Readonly<Record<string, string>>;
};

type ScriptsOf = { id: string; nodes: number; blockDir: string; seenDir: string; manager: readonly string[] };

/** The files of blocks, one directory each. */
export function createBlockFiles(options: BlockFilesOptions): BlockFiles {
  const { settings, dir } = options;
  const beside = settings.node.nodes !== undefined;
  const mpiLauncher = settings.mpi.launcher ?? (settings.launcher.type === "srun" ? "srun" : "mpiexec");
  const secrets = new Map<string, string>();
  const dirOf = (block: string) => join(dir, block);
  const seen = options.seen ?? options;
  /** What a launcher runs, for blocks on other machines; returns the argv of the block's script. */
  const writeScripts = ({ id, nodes, blockDir, seenDir, manager }: ScriptsOf) => {
    const { launcher, workers, node } = settings;
    const launchFile = join(blockDir, "launch.sh");
    const nodeFile = join(blockDir, "node.sh");
    const text = nodeScript({
      launcher: launcher.type,
      nodes: beside ? 1 : nodes,
      dir: seenDir,
      command: manager,
      logPrefix: join(seen.logDir, `${id}-`),
      mark: { variable: BLOCK_ENV, prefix: `${options.endpoint}/${id}/` },
      init: workers.init,
      scratch: workers.scratch,
    });
    writeFileSync(nodeFile, text, { mode: 0o700 });
    writeFileSync(launchFile, LAUNCH_SCRIPT, { mode: 0o700 });
    const argv = launchers[launcher.type]({
      nodes,
      coresPerNode: node.cores,
      gpusPerNode: node.gpus,
      nodeScript: join(seenDir, "node.sh"),
      dir: seenDir,
      overrides: launcher.overrides,
    });
    return ["/bin/sh", join(seenDir, "launch.sh"), ...argv];
  };
  /** What starts a manager, but for its options. */
  const writeManager = (blockDir: string, seenDir: string): readonly string[] => {
    if (settings.manager !== "python") return options.nodeManager ?? [process.execPath, options.managerMain];
    const name = "farcall-manager.pyz";
    writeFileSync(join(blockDir, name), pythonManagerFile(), { mode: 0o600 });
    return [settings.workers.python, join(seenDir, name)];
  };
  return {
    prepare({ id, nodes, walltimeMs }) {
      const blockDir = dirOf(id);
      const seenDir = join(seen.dir, id);
      mkdirSync(blockDir, { recursive: true, mode: 0o700 });
      const secret = randomBytes(32).toString("base64url");
      writeFileSync(join(blockDir, "secret"), secret, { mode: 0o600 });
      secrets.set(id, secret);
      removeOldLogs(options.logDir, dir);
      const commands: string[][] = [];
      const logFiles: string[] = [];
      const managers = beside ? 1 : nodes;
      const manager = writeManager(blockDir, seenDir);
      for (let node = 0; node < managers; node++) {
        const nodeDir = join(blockDir, `node-${node}`);
        const logFile = join(seen.logDir, `${id}-${node}.log`);
        logFiles.push(logFile);
        mkdirSync(nodeDir, { recursive: true, mode: 0o700 });
        const config: ManagerConfig = {
          endpoint: options.endpoint,
          block: id,
          node,
          dial: options.dial,
          secretFile: join(seenDir, "secret"),
          dir: join(seenDir, `node-${node}`),
          cacheDir: seen.cacheDir,
          logFile,
          logLevel: settings.logLevel,
          capacity: settings.node,
          mpi: { launcher: mpiLauncher, overrides: settings.mpi.overrides },
          workersPerNode: settings.policy.workersPerNode,
          python: settings.workers.python,
          affinity: settings.workers.affinity,
          env: settings.workers.env,
          orphanTimeoutMs: settings.orphanTimeoutMs,
          walltimeMs,
          limits: settings.limits,
        };
        const configFile = join(seenDir, `node-${node}.json`);
        writeFileSync(join(blockDir, `node-${node}.json`), JSON.stringify(config), { mode: 0o600 });
        commands.push(managerCommand({ manager, configFile, init: settings.workers.init }));
      }
      const launch = writeScripts({ id, nodes, blockDir, seenDir, manager });
      return { name: id, nodes, walltimeMs, commands, launch, logFiles, env: options.env, dir: seenDir };
    },
    secretOf(block) {
      const known = secrets.get(block) ?? readSecret(join(dirOf(block), "secret"));
      if (known !== undefined) secrets.set(block, known);
      return known;
    },
    answers: createDiskGate(dir),
    failedNodes: (block) => readNodeEnds(dirOf(block), (node) => join(options.logDir, `${block}-${node}.log`)),
    remove(block) {
      secrets.delete(block);
      // Not waited for: the disk may hang (FAULTS.md A10).
      rm(dirOf(block), { recursive: true, force: true }).catch(() => {});
      options.onRemoved?.(block);
    },
  };
}

/** Undefined when there is none. Throws when that cannot be known, as on a file system that does not answer. */
function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Ids of blocks are in the order of time, and so are the names of their logs. Those of blocks that live are still needed. */
function removeOldLogs(dir: string, blocks: string): void {
  const live = new Set(readdirSync(blocks));
  const logs = readdirSync(dir).filter((name) => !live.has(name.slice(0, name.lastIndexOf("-"))));
  for (const name of logs.sort().slice(0, -KEPT_LOGS)) rmSync(join(dir, name), { force: true });
}
