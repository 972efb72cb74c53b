/** A real Slurm of one machine, of Debian's packages: munge, slurmctld and slurmd in a private directory, on loopback. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../deploy/ports.ts";
import { processesUnder } from "./processes.ts";
import { type Accounting, accountingLines, startAccounting } from "./slurm-accounting.ts";
import { waitFor } from "./wait-for.ts";

const PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo"];
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** What is missing for a real Slurm here, or undefined. */
export function whyNoSlurm(): string | undefined {
  if (process.platform !== "linux") return "Slurm needs Linux";
  const missing = PROGRAMS.filter((name) => !PATH.split(":").some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) return `no ${missing.join(", ")}: apt-get install slurmctld slurmd slurm-client munge`;
  return process.getuid?.() === 0 ? undefined : "slurmd starts jobs as root only";
}

export type SlurmOptions = {
  nodes?: number;
  cpusPerNode?: number;
  /** more lines of slurm.conf; `@DIR@` in them is the directory of all its files */
  conf?: readonly string[];
  /** more of a node's line there, as `Gres=gpu:2`, by its number from 1 */
  nodeConf?: (node: number) => string;
  /** files beside slurm.conf by their names, as gres.conf, with `@DIR@` as well */
  files?: Readonly<Record<string, string>>;
  /** called with that directory before anything starts */
  prepare?: (dir: string) => void;
  /** with slurmdbd on a MariaDB, both private */
  accounting?: boolean;
};

export type Slurm = {
  /** with slurm.conf */
  dir: string;
  /** with SLURM_CONF, for the agent and for commands */
  env: Record<string, string>;
  run(...argv: string[]): string;
  stopController(): Promise<void>;
  startController(): Promise<void>;
  /** of one with accounting */
  stopAccounting(): Promise<void>;
  startAccounting(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts it and waits until its nodes are idle. */
export async function startSlurm(options: SlurmOptions = {}): Promise<Slurm & AsyncDisposable> {
  const { nodes = 2, cpusPerNode = 2 } = options;
  const dir = mkdtempSync(join(tmpdir(), "farcall-slurm-"));
  // munge refuses a socket that others cannot reach.
  chmodSync(dir, 0o755);
  for (const name of ["munge", "state", "spool", "log"]) mkdirSync(join(dir, name), { mode: 0o755 });
  const socket = join(dir, "munge", "socket");
  const conf = join(dir, "slurm.conf");
  const env = { ...(process.env as Record<string, string>), PATH, SLURM_CONF: conf };
  const ports = [await freePort()];
  for (let node = 1; node <= nodes; node++) ports.push(await freePort());
  writeFileSync(join(dir, "munge", "key"), randomBytes(128), { mode: 0o600 });
  const port = options.accounting ? await freePort() : undefined;
  const more = [...(options.conf ?? []), ...(port === undefined ? [] : accountingLines(port, socket))];
  const { nodeConf = () => "" } = options;
  writeFileSync(conf, confOf({ dir, socket, ports, cpusPerNode, nodeConf, more }));
  for (const [name, text] of Object.entries(options.files ?? {}))
    writeFileSync(join(dir, name), text.replaceAll("@DIR@", dir));
  options.prepare?.(dir);

  const started: number[] = [];
  const daemon = (file: string, args: string[]) => {
    const log = openSync(join(dir, "log", `${file}-${started.length}`), "a");
    const child = spawn(file, args, { env, stdio: ["ignore", log, log], detached: true });
    child.on("error", () => {});
    child.unref();
    started.push(child.pid as number);
    return child;
  };
  const mungeFiles = ["key", "pid", "log", "seed"].map((name) => `--${name}-file=${join(dir, "munge", name)}`);
  daemon("munged", ["--foreground", "--force", `--socket=${socket}`, ...mungeFiles]);
  await waitFor(() => existsSync(socket), { what: "munged listens" });
  let controller: ReturnType<typeof spawn> | undefined;
  const run = (...argv: string[]) =>
    execFileSync(argv[0] as string, argv.slice(1), { env, encoding: "utf8", timeout: 60_000 });
  const startController = async () => {
    controller = daemon("slurmctld", ["-D", "-f", conf]);
    await waitFor(() => /UP/.test(quiet(() => run("scontrol", "ping"))), { what: "slurmctld answers" });
  };
  let accounting: Accounting | undefined;
  const slurm: Slurm = {
    dir,
    env,
    run,
    startController,
    stopAccounting: async () => accounting?.stopDaemon(),
    startAccounting: async () => accounting?.startDaemon(),
    async stopController() {
      const stopping = controller;
      stopping?.kill("SIGTERM");
      await waitFor(() => stopping?.exitCode !== null || stopping.signalCode !== null, { what: "slurmctld has ended" });
    },
    async stop() {
      quiet(() => run("scancel", "--signal=KILL", "--full", "--user", userInfo().username));
      await accounting?.stop();
      // The jobs that a stopped slurmd leaves running name its directory.
      for (const pid of [...started.reverse(), ...processesUnder(dir, "pid").map(Number)]) kill(pid);
      await waitFor(() => processesUnder(dir).length === 0, { what: "everything has ended" });
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    if (port !== undefined) accounting = await startAccounting({ dir, port, socket, env });
    await startController();
    for (let node = 1; node <= nodes; node++) daemon("slurmd", ["-D", "-N", `n${node}`, "-f", conf]);
    const idle = () => quiet(() => run("sinfo", "-h", "-N", "-p", "debug", "-o", "%t")).match(/^idle$/gm)?.length;
    await waitFor(() => idle() === nodes, { what: "all nodes being idle" });
  } catch (error) {
    await slurm.stop();
    throw error;
  }
  return { ...slurm, [Symbol.asyncDispose]: slurm.stop };
}

function confOf(parts: {
  dir: string;
  socket: string;
  ports: readonly number[];
  cpusPerNode: number;
  nodeConf: (node: number) => string;
  more: readonly string[];
}): string {
  const { dir, socket, ports, cpusPerNode, nodeConf } = parts;
  const host = hostname().split(".")[0];
  const [controllerPort, ...nodePorts] = ports;
  return `${[
    "ClusterName=farcalltest",
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${controllerPort}`,
    `SlurmUser=${userInfo().username}`,
    "AuthType=auth/munge",
    `AuthInfo=socket=${socket}`,
    "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
    `StateSaveLocation=${join(dir, "state")}`,
    `SlurmctldPidFile=${join(dir, "slurmctld.pid")}`,
    `SlurmctldLogFile=${join(dir, "log", "slurmctld")}`,
    `SlurmdPidFile=${join(dir, "slurmd-%n.pid")}`,
    `SlurmdLogFile=${join(dir, "log", "slurmd-%n")}`,
    `SlurmdSpoolDir=${join(dir, "spool", "%n")}`,
    "SlurmdParameters=config_overrides",
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core",
    "MpiDefault=none",
    "ReturnToService=2",
    ...nodePorts.map(
      (port, i) =>
        `NodeName=n${i + 1} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${port} CPUs=${cpusPerNode} RealMemory=1000 ${nodeConf(i + 1)}`,
    ),
    "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
    ...parts.more.map((line) => line.replaceAll("@DIR@", dir)),
  ].join("\n")}\n`;
}

function quiet(work: () => string): string {
  try {
    return work();
  } catch {
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Ended already.
  }
}
