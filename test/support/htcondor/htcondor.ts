/** A real HTCondor of one machine, on loopback: this machine's own, or that of a Debian that was unpacked for it (make-root.sh). */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { directoriesOf } from "../../../deploy/directories.ts";
import { freePort } from "../../../deploy/ports.ts";
import { processesUnder } from "../processes.ts";
import { waitFor } from "../wait-for.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const COMMANDS = ["condor_submit", "condor_q", "condor_rm", "condor_history", "condor_vacate_job", "condor_status"];
const TOOLS = ["unshare", "nsenter", "pivot_root"];
/** Where its programs are found on the outside. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** The root in which it is installed. */
function rootOfHtcondor(): string | undefined {
  const unpacked = process.env.FARCALL_HTCONDOR_ROOT ?? join(directoriesOf(process.env).cache, "htcondor");
  return ["/", unpacked].find((root) => existsSync(join(root, "usr/sbin/condor_master")));
}

/** What is missing for a real HTCondor here, or undefined. */
export function whyNoHtcondor(): string | undefined {
  if (process.platform !== "linux") return "HTCondor's tests need Linux";
  const missing = TOOLS.filter((name) => !PATH.split(":").some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) return `no ${missing.join(", ")}`;
  if (process.getuid?.() !== 0) return "only root may make mounts of its own";
  if (rootOfHtcondor()) return undefined;
  const { cache } = directoriesOf(process.env);
  return `no condor_master: apt-get install condor, or test/support/htcondor/make-root.sh ${join(cache, "htcondor")}`;
}

export type Htcondor = {
  /** the directory of its commands */
  bin: string;
  /** the shared directory of its files, for those of a test as well */
  dir: string;
  run(...argv: string[]): string;
  /** Its queue hangs, as one whose machine swaps, until the result is called. */
  pauseQueue(): () => void;
  stop(): Promise<void>;
};

/** Starts a pool with one machine, and waits until it takes jobs. */
export async function startHtcondor({ cpus = 4 } = {}): Promise<Htcondor & AsyncDisposable> {
  const root = rootOfHtcondor() as string;
  const dir = mkdtempSync(join(tmpdir(), "farcall-htcondor-"));
  chmodSync(dir, 0o755);
  for (const name of ["bin", "run", "log", "lock", "spool", "execute", "cred"])
    mkdirSync(join(dir, name), { mode: 0o755 });
  const settings = { DIR: dir, PORT: await freePort(), CPUS: cpus };
  const config = readFileSync(file("condor_config"), "utf8").replaceAll(/@([A-Z]+)@/g, (_, name: string) =>
    String(settings[name as keyof typeof settings]),
  );
  writeFileSync(join(dir, "condor_config"), config);
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", CONDOR_CONFIG: join(dir, "condor_config") };
  const enter = ["--mount", "--propagation", "private", file("enter.sh"), root];
  const shared = ["/proc", "/dev", "/sys", "/tmp", tmpdir(), repository];
  const master = spawn("unshare", [...enter, ...new Set(shared), "--", "condor_master", "-f"], {
    env: { ...env, PATH: `${env.PATH}:${PATH}` },
    stdio: ["ignore", "ignore", "inherit"],
  });
  master.on("error", () => {});
  for (const name of COMMANDS) {
    // In the master's mounts, as its user.
    const there = `nsenter --target ${master.pid} --mount --root -- env -C / PATH=${env.PATH}`;
    const user = `CONDOR_CONFIG=${env.CONDOR_CONFIG} unshare --user --map-user=1000 --map-group=1000`;
    writeFileSync(join(dir, "bin", name), `#!/bin/sh\nexec ${there} ${user} -- ${name} "$@"\n`, { mode: 0o755 });
  }
  const run = (name: string, ...args: string[]) =>
    execFileSync(join(dir, "bin", name), args, { encoding: "utf8", timeout: 60_000, stdio: "pipe" });
  const stop = async () => {
    await waitFor(
      () => {
        const left = processesUnder(dir, "pid").map(Number);
        for (const pid of left) kill(pid);
        return left.length === 0;
      },
      { what: "the end of HTCondor" },
    );
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const isUp = () => {
    if (master.exitCode !== null) throw new Error(`condor_master has ended: ${master.exitCode}`);
    return quiet(() => run("condor_status", "-af", "Name")) !== "" && quiet(() => run("condor_q")) !== "";
  };
  try {
    await waitFor(isUp, { what: "HTCondor takes jobs", timeoutMs: 60_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  const pauseQueue = () => {
    const pid = processesUnder(dir, "pid")
      .map(Number)
      .find((id) => quiet(() => nameOf(id)) === "condor_schedd") as number;
    process.kill(pid, "SIGSTOP");
    return () => void process.kill(pid, "SIGCONT");
  };
  return { bin: join(dir, "bin"), dir, run, pauseQueue, stop, [Symbol.asyncDispose]: stop };
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
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
