/** A real Grid Engine of one machine, of Debian's packages: a cell of its own in a private directory, on loopback. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../deploy/ports.ts";
import { processesUnder } from "../processes.ts";
import { waitFor } from "../wait-for.ts";
import { PARALLEL_ENVIRONMENT, queueOf, settingsOf } from "./cell.ts";

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const PROGRAMS = ["sge_qmaster", "sge_execd", "qsub", "qstat", "qdel", "qacct", "qconf", "cc"];
const SHARE = "/usr/share/gridengine";
const LIB = "/usr/lib/gridengine";

/** What is missing for a real Grid Engine here, or undefined. */
export function whyNoSge(): string | undefined {
  if (process.platform !== "linux") return "Grid Engine needs Linux";
  const missing = PROGRAMS.filter((name) => !PATH.split(":").some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) {
    return `no ${missing.join(", ")}: apt-get install gridengine-master gridengine-exec gridengine-client gcc`;
  }
  // Others, as Slurm's and Torque's wrappers, have commands of the same names.
  if (!existsSync(join(SHARE, "default-configuration"))) return "qsub is not Grid Engine's";
  return process.getuid?.() === 0 ? undefined : "its execution daemon starts jobs as root only";
}

export type Sge = {
  /** with SGE_ROOT and the ports, for the agent and for commands */
  env: Record<string, string>;
  run(...argv: string[]): string;
  /** it hangs, as one whose machine swaps */
  pauseMaster(): void;
  resumeMaster(): void;
  stopMaster(): Promise<void>;
  startMaster(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts a cell with one host of `slots` slots, and waits until it takes jobs. */
export async function startSge({ slots = 4 } = {}): Promise<Sge & AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), "farcall-sge-"));
  chmodSync(dir, 0o755);
  const host = hostname();
  const common = join(dir, "default", "common");
  for (const name of ["spool", "spool/db", "spool/master", "spool/exec"]) mkdirSync(join(dir, name), { mode: 0o755 });
  mkdirSync(common, { recursive: true });
  symlinkSync(join(SHARE, "util"), join(dir, "util"));
  const shim = join(dir, "loopback.so");
  execFileSync("cc", ["-shared", "-fPIC", "-o", shim, fileURLToPath(new URL("loopback.c", import.meta.url)), "-ldl"]);
  const [master, exec] = [await freePort(), await freePort()];
  const env: Record<string, string> = {
    ...(process.env as Record<string, string>),
    PATH,
    SGE_ROOT: dir,
    SGE_CELL: "default",
    SGE_QMASTER_PORT: String(master),
    SGE_EXECD_PORT: String(exec),
  };
  const write = (path: string, text: string) => writeFileSync(path, text.endsWith("\n") ? text : `${text}\n`);
  write(join(common, "act_qmaster"), host);
  // It resolves 127.0.0.1 to the first name of it, and refuses clients that call themselves by another.
  write(join(common, "host_aliases"), `${host} localhost`);
  write(
    join(common, "bootstrap"),
    readFileSync(join(SHARE, "default-bootstrap"), "utf8")
      .replace(/^admin_user .*$/m, "admin_user root")
      .replace(/^spooling_params .*$/m, `spooling_params ${join(dir, "spool/db")}`)
      .replace(/^qmaster_spool_dir .*$/m, `qmaster_spool_dir ${join(dir, "spool/master")}`),
  );
  const run = (...argv: string[]) =>
    execFileSync(argv[0] as string, argv.slice(1), { env, encoding: "utf8", timeout: 60_000, cwd: dir, stdio: "pipe" });
  const configuration = join(dir, "global");
  copyFileSync(join(SHARE, "default-configuration"), configuration);
  write(configuration, settingsOf.global(readFileSync(configuration, "utf8"), dir));

  const daemon = (name: string) => {
    // What it has in its own environment its jobs get too.
    const { LD_LIBRARY_PATH = "", SGE_ROOT, SGE_CELL, SGE_QMASTER_PORT, SGE_EXECD_PORT } = env;
    const own = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", SGE_ROOT, SGE_CELL, SGE_QMASTER_PORT, SGE_EXECD_PORT };
    const child = spawn(name, [], {
      env: { ...own, SGE_ND: "1", LD_PRELOAD: shim, LD_LIBRARY_PATH },
      cwd: dir,
      stdio: "ignore",
      detached: true,
    });
    child.on("error", () => {});
    child.unref();
    return child;
  };
  let running: ReturnType<typeof spawn> | undefined;
  const startMaster = async () => {
    running = daemon("/usr/sbin/sge_qmaster");
    await waitFor(() => quiet(() => run("qconf", "-sm")) !== "", { what: "the master answers" });
  };
  const sge: Sge = {
    env,
    run,
    startMaster,
    pauseMaster: () => void running?.kill("SIGSTOP"),
    resumeMaster: () => void running?.kill("SIGCONT"),
    async stopMaster() {
      const stopping = running;
      stopping?.kill("SIGTERM");
      await waitFor(() => stopping?.exitCode !== null || stopping.signalCode !== null, {
        what: "the master has ended",
      });
    },
    async stop() {
      quiet(() => run("qdel", "-u", "*"));
      await waitFor(
        () => {
          const left = processesUnder(dir, "pid").map(Number);
          for (const pid of left) kill(pid);
          return left.length === 0;
        },
        { what: "the end of Grid Engine" },
      );
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    // What Debian's init_cluster does, without writing outside of the directory.
    const spool = (...args: string[]) => run(join(LIB, args[0] as string), ...args.slice(1));
    spool("spoolinit", "berkeleydb", "libspoolb", join(dir, "spool/db"), "init");
    spool("spooldefaults", "configuration", configuration);
    spool("spooldefaults", "complexes", join(SHARE, "util/resources/centry"));
    spool("spooldefaults", "usersets", join(SHARE, "util/resources/usersets"));
    spool("spooldefaults", "managers", "root");
    await startMaster();
    const apply = (option: string, text: string, name = "settings") => {
      write(join(dir, name), text);
      run("qconf", option, join(dir, name));
    };
    quiet(() => run("qconf", "-ah", host));
    run("qconf", "-as", host);
    apply("-Ahgrp", `group_name @allhosts\nhostlist ${host}`);
    apply("-Ap", PARALLEL_ENVIRONMENT);
    apply("-Aq", queueOf(run("qconf", "-sq"), slots));
    apply("-Msconf", settingsOf.scheduler(run("qconf", "-ssconf")));
    daemon("/usr/sbin/sge_execd");
    await waitFor(() => quiet(() => run("qstat", "-f")).includes("lx-amd64"), { what: "the execution daemon" });
  } catch (error) {
    await sge.stop();
    throw error;
  }
  return { ...sge, [Symbol.asyncDispose]: sge.stop };
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
