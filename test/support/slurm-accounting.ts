/** A real slurmdbd on a MariaDB of its own, for a real Slurm of a test (slurm.ts). */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

const PROGRAMS = ["slurmdbd", "mariadbd", "mariadb-install-db", "mariadb", "sacctmgr", "sacct"];
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** What is missing for accounting here, or undefined. */
export function whyNoAccounting(): string | undefined {
  const missing = PROGRAMS.filter((name) => !PATH.split(":").some((dir) => existsSync(join(dir, name))));
  if (missing.length === 0) return undefined;
  return `no ${missing.join(", ")}: apt-get install slurmdbd mariadb-server-core mariadb-client-core`;
}

/** The lines of slurm.conf. */
export function accountingLines(port: number, mungeSocket: string): string[] {
  return [
    "AccountingStorageType=accounting_storage/slurmdbd",
    "AccountingStorageHost=127.0.0.1",
    `AccountingStoragePort=${port}`,
    `AccountingStoragePass=${mungeSocket}`,
    "AccountingStorageEnforce=associations,limits,qos",
    "JobAcctGatherType=jobacct_gather/linux",
    "JobAcctGatherFrequency=1",
  ];
}

export type AccountingOptions = { dir: string; port: number; socket: string; env: Record<string, string> };

/** Starts both in `dir/db`; this user may submit for the account `lab`. */
export async function startAccounting({ dir, port, socket, env }: AccountingOptions) {
  const db = join(dir, "db");
  const sql = join(db, "sock");
  mkdirSync(join(db, "data"), { recursive: true });
  const user = userInfo().username;
  const log = openSync(join(db, "log"), "a");
  const run = (file: string, ...args: string[]) => execFileSync(file, args, { env, encoding: "utf8", stdio: "pipe" });
  const start = (file: string, args: string[], more = {}) =>
    spawn(file, args, { env: { ...env, ...more }, stdio: ["ignore", log, log] }).on("error", () => {});
  const place = ["--no-defaults", `--datadir=${join(db, "data")}`];
  run("mariadb-install-db", ...place, "--auth-root-authentication-method=socket", "--skip-test-db", `--user=${user}`);
  const alone = [`--socket=${sql}`, "--skip-networking", `--user=${user}`, `--pid-file=${join(db, "pid")}`];
  const server = start("mariadbd", [...place, ...alone, "--innodb-buffer-pool-size=64M"]);
  const query = (text: string) => run("mariadb", "--no-defaults", `--socket=${sql}`, "-e", text);
  const conf = join(dir, "slurmdbd.conf");
  // A password, though nobody is asked for one: without, slurmdbd takes a default.
  const storage = ["StorageHost=localhost", "StorageUser=slurm", "StoragePass=slurm", "StorageLoc=slurm_acct"];
  const settings = [
    "AuthType=auth/munge",
    `AuthInfo=socket=${socket}`,
    `DbdHost=${hostname().split(".")[0]}`,
    "DbdAddr=127.0.0.1",
    `DbdPort=${port}`,
    `SlurmUser=${user}`,
    `LogFile=${join(db, "slurmdbd.log")}`,
    `PidFile=${join(db, "slurmdbd.pid")}`,
    "CommunicationParameters=NoInAddrAny",
    "StorageType=accounting_storage/mysql",
    ...storage,
  ];
  writeFileSync(conf, `${settings.join("\n")}\n`, { mode: 0o600 });
  let daemon: ChildProcess | undefined;
  const answers = () => spawnSync("sacctmgr", ["-n", "list", "cluster"], { env, timeout: 5_000 }).status === 0;
  const startDaemon = async () => {
    daemon = start("slurmdbd", ["-D"], { SLURM_CONF: join(dir, "slurm.conf"), MYSQL_UNIX_PORT: sql });
    await waitFor(answers, { what: "slurmdbd answers", timeoutMs: 60_000 });
  };
  const end = async (child: ChildProcess | undefined) => {
    child?.kill("SIGTERM");
    await waitFor(() => !child || child.exitCode !== null || child.signalCode !== null, {
      what: "the end of a daemon",
    });
  };
  const accounting = {
    startDaemon,
    stopDaemon: () => end(daemon),
    async stop() {
      await end(daemon);
      await end(server);
    },
  };
  try {
    await waitFor(() => spawnSync("mariadb", ["--no-defaults", `--socket=${sql}`, "-e", "select 1"]).status === 0, {
      what: "mariadbd answers",
    });
    query(
      "create database slurm_acct; create user slurm@localhost identified by 'slurm'; grant all on slurm_acct.* to slurm@localhost",
    );
    await startDaemon();
    for (const words of [
      ["cluster", "farcalltest"],
      ["account", "lab", "Description=lab", "Organization=lab"],
      ["user", user, "Account=lab"],
    ])
      run("sacctmgr", "-i", "add", ...words);
  } catch (error) {
    await accounting.stop();
    throw error;
  }
  return accounting;
}

export type Accounting = Awaited<ReturnType<typeof startAccounting>>;
