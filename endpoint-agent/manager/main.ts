/** The manager of one node of a block: `node main.ts --config <0600 json file>`. Runs until its agent, its walltime or its deadline ends it. */
import "../buffer-collection.ts";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { authorization } from "../link/credential.ts";
import { EXIT_DO_NOT_RESTART, ManagerConfig } from "../manager-config.ts";
import { createDeadline } from "./deadline.ts";
import { createEngine } from "./engine.ts";
import { createSweeper, killAll } from "./leftovers.ts";
import { createLifetime } from "./lifetime.ts";
import { dialAgent, type ManagerLink } from "./link.ts";
import { createSession, type Session } from "./session.ts";
import { remainingTime } from "./walltime.ts";
import { startWatchdog } from "./watchdog-client.ts";

const { values } = parseArgs({ options: { config: { type: "string" }, dir: { type: "string" } } });
const config = readConfig(values.config, values.dir);
const secret = readPrivate(config.secretFile).trim();
const log = pino(
  { level: config.logLevel, base: { block: config.block, node: config.node } },
  pino.destination({ dest: config.logFile, sync: true }),
);
// The threads of file operations are made with the first; who can have no more then is aborted (FAULTS.md A9).
void stat(config.dir).catch(() => {});
const nonce = randomBytes(16).toString("hex");

const deadline = createDeadline(config.orphanTimeoutMs, (at) => watchdog.deadline(at));
const watchdog = startWatchdog({
  prefix: `${nonce}/`,
  directory: join(config.dir, "work"),
  deadline: deadline.at(),
  compileCache: join(config.cacheDir, "compiled"),
  termBeforeMs: deadline.termBeforeMs,
});
let session: Session | undefined;
/** No worker starts on this node. */
let broken = false;
const link: ManagerLink = dialAgent(whereTo, authorization({ block: config.block, secret }), {
  onRefused: () => lifetime.stop("refused: this block is not wanted", EXIT_DO_NOT_RESTART),
  onOpen: () => session?.onOpen(),
  onFrame: (frame, body) => session?.onFrame(frame, body),
  onClose(reason) {
    log.warn({ reason }, "no connection to the agent");
    session?.onClose();
  },
});
const engine = createEngine({
  config,
  nonce,
  deadline,
  // Nothing is said on a connection before the agent has welcomed it; what would be is said again then.
  link: {
    backlog: link.backlog,
    send: (frame, chunks) => session?.welcomed() && link.send(frame, chunks),
    sendBytes: (frame) => session?.welcomed() && link.sendBytes(frame),
  },
  onGroup: watchdog.group,
  onLeftovers: createSweeper(nonce, (killed) => log.info({ killed }, "killed what user code left running")),
  onBroken(message) {
    log.error(message);
    broken = true;
    lifetime.drain(message);
  },
});
const onDrain = () => session?.beat();
const { killGraceMs: graceMs } = config.limits;
const lifetime = createLifetime({ engine, deadline, graceMs, onDrain }, (reason, exitCode) => {
  log.info({ reason }, "the manager ends");
  if (session?.welcomed()) link.send({ kind: "bye", reason, ...(broken ? { broken } : {}) });
  session?.stop();
  void link.close().then(() => {
    killAll(`${nonce}/`);
    watchdog.stop();
    rmSync(config.dir, { recursive: true, force: true, maxRetries: 3 });
    process.exit(exitCode);
  });
});
const remainingMs = remainingTime(config.walltimeMs, process.env.FARCALL_ENDS_AT);
// Slurm's name of a node need not be its host name.
const hostName = process.env.SLURMD_NODENAME || hostname();
session = createSession(
  { config, secret, nonce, engine, deadline, link, remainingMs, hostName },
  {
    onRefused: (reason) => lifetime.stop(`refused: ${reason}`, EXIT_DO_NOT_RESTART),
    onDrain: () => lifetime.drain("drained"),
    onDeadline: () => lifetime.stop("its deadline has passed", 1),
    onStop: () => lifetime.stop("stopped by the agent", 0),
  },
);
// SIGUSR2 is how SGE announces SIGKILL.
for (const signal of ["SIGTERM", "SIGINT", "SIGUSR2"] as const) process.on(signal, () => lifetime.terminate(signal));
// The block's walltime ends soon. Without a handler Node would open its debugger.
process.on("SIGUSR1", () => lifetime.drain("its walltime ends soon"));
process.on("SIGHUP", () => {});
// The first worker's start is the longest part of the first call.
engine.warmUp();
log.info({ nonce, pid: process.pid, capacity: config.capacity }, "manager started");

/** The agent may have moved since: then it has written here where to. */
function whereTo(): ManagerConfig["dial"] {
  try {
    return readConfig(values.config, undefined).dial;
  } catch {
    return config.dial;
  }
}

/** `dir` takes the place of the configuration's: on the node itself, and of this incarnation alone. */
function readConfig(file: string | undefined, dir: string | undefined): ManagerConfig {
  if (!file) throw new Error("usage: node main.ts --config <file> [--dir <own directory>]");
  const parsed = ManagerConfig.parse(JSON.parse(readPrivate(file)));
  return dir === undefined ? parsed : { ...parsed, dir, sharedDir: parsed.dir };
}

/** Reads a file that nobody else may read. */
function readPrivate(file: string): string {
  const { mode } = statSync(file);
  if ((mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others (mode ${(mode & 0o777).toString(8)}); expected 0600`);
  return readFileSync(file, "utf8");
}
