/** A real OpenSSH server for tests: loopback, a private configuration, its own keys; the user is the one that runs the tests. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../deploy/ports.ts";
import { processesUnder } from "./processes.ts";
import { waitFor } from "./wait-for.ts";

/** Where Debian and most others put it; it must be started by its full path. */
export const SSHD = ["/usr/sbin/sshd", "/usr/bin/sshd"].find((path) => existsSync(path));

export type TestSshd = {
  host: "127.0.0.1";
  port: number;
  user: string;
  dir: string;
  /** the private key that may log in */
  identity: string;
  /** the home directory that sessions see */
  home: string;
  /** the line of known_hosts that fits */
  knownHost: string;
  log(): string;
  /** Ends all connections and stops listening. */
  stop(): Promise<void>;
  start(): Promise<void>;
};

export type SshdOptions = {
  /** another sshd, whose name is that of its PAM service */
  program?: string;
  /** more of the environment of sessions */
  setEnv?: Readonly<Record<string, string>>;
  config?: readonly string[];
  authorize?: string;
  keyType?: "ed25519" | "ecdsa" | "rsa";
  /** false: it has none */
  sftp?: boolean;
};

/** Starts one; `await using` stops it. Sessions have `home` as their home directory, whatever the password file says. */
export async function startSshd(options: SshdOptions = {}): Promise<TestSshd & AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), "farcall-sshd-"));
  const home = join(dir, "home");
  mkdirSync(home, { mode: 0o700 });
  const port = await freePort();
  const hostKey = join(dir, "host_key");
  const identity = join(dir, "id_test");
  keygen(hostKey, options.keyType ?? "ed25519");
  keygen(identity, "ed25519");
  writeFileSync(join(dir, "authorized_keys"), options.authorize ?? readFileSync(`${identity}.pub`), { mode: 0o600 });
  const file = join(dir, "sshd_config");
  writeFileSync(file, configText({ dir, port, hostKey, home }, options));
  // sshd insists on this directory when root runs it.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const log = join(dir, "sshd.log");
  writeFileSync(log, "");
  let child: ReturnType<typeof spawn> | undefined;
  const start = async () => {
    child = spawn(options.program ?? (SSHD as string), ["-D", "-f", file, "-E", log], { stdio: "ignore" });
    await waitFor(() => listens(port), { what: "sshd to listen", timeoutMs: 10_000 });
  };
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  await start();
  const [type, key] = readFileSync(`${hostKey}.pub`, "utf8").split(" ");
  return {
    host: "127.0.0.1",
    port,
    user: userInfo().username,
    dir,
    identity,
    home,
    knownHost: `[127.0.0.1]:${port} ${type} ${key}\n`,
    log: () => readFileSync(log, "utf8"),
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      for (const pid of processesUnder(dir, "pid")) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // It has ended meanwhile.
        }
      }
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The processes that serve this server's open connections: those that have the server's end of one open. */
export function sessionsOf(sshd: TestSshd): number[] {
  const ours = new Set(
    readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([, local = "", , state]) =>
          state === ESTABLISHED && Number.parseInt(local.split(":")[1] ?? "", 16) === sshd.port,
      )
      .map((fields) => `socket:[${fields[9]}]`),
  );
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => filesOf(pid).some((file) => ours.has(file))).map(Number);
}

/** Kills them, as a crash of the login node would; throws when there is none. */
export function cutSessions(sshd: TestSshd): void {
  const pids = sessionsOf(sshd);
  if (pids.length === 0) throw new Error("no connection is open");
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

/** As /proc/net/tcp says it. */
const ESTABLISHED = "01";

function filesOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return [];
  }
}

/** An OpenSSH configuration for clients of these servers, with the first one's key known as `site`. */
export function clientConfig(
  servers: Readonly<Record<string, TestSshd>>,
  more: Readonly<Record<string, string[]>> = {},
): string {
  const first = Object.values(servers)[0] as TestSshd;
  const file = join(first.dir, "ssh_config");
  const known = join(first.dir, "known_hosts");
  writeFileSync(known, "");
  const blocks = Object.entries(servers).map(([name, server]) => {
    appendFileSync(known, server.knownHost);
    const lines = [
      `HostName ${server.host}`,
      `Port ${server.port}`,
      `User ${server.user}`,
      `IdentityFile ${server.identity}`,
      "IdentitiesOnly yes",
      "IdentityAgent none",
      `UserKnownHostsFile ${known}`,
      "GlobalKnownHostsFile /dev/null",
      "HashKnownHosts no",
      ...(more[name] ?? []),
    ];
    return `Host ${name}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  });
  writeFileSync(file, blocks.join("\n"));
  return file;
}

/** Makes a key pair without a passphrase. */
export function keygen(path: string, type: "ed25519" | "ecdsa" | "rsa", passphrase = ""): void {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-C", "test", "-f", path]);
}

function configText(
  { dir, port, hostKey, home }: { dir: string; port: number; hostKey: string; home: string },
  { config = [], setEnv = {}, sftp = true }: SshdOptions,
): string {
  return [
    // OpenSSH takes the first value of each, so a test's own lines come first.
    ...config,
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${hostKey}`,
    `PidFile ${join(dir, "sshd.pid")}`,
    `AuthorizedKeysFile ${join(dir, "authorized_keys")}`,
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "UsePAM no",
    "PermitRootLogin yes",
    "LogLevel VERBOSE",
    `SetEnv ${Object.entries({ HOME: home, FARCALL_TEST_SITE: dir, ...setEnv })
      .map(([name, value]) => `${name}="${value}"`)
      .join(" ")}`,
    ...(sftp ? ["Subsystem sftp internal-sftp"] : []),
    "",
  ].join("\n");
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.end());
  });
}
