/**
 * The file that starts a manager: `node endpoint-agent/manager/main.ts --config <file>`. The agent writes it (0600), one per
 * node of a block; the manager reads it once. Everything in it was checked by the agent, so a manager that refuses it exits.
 */
import { z } from "zod";
import { MANAGER_PATH } from "./link/credential.ts";
import { MPI_LAUNCHER_TYPES } from "./provider-config.ts";

/** Where a manager dials its agent. */
export const ManagerDial = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("unix"),
    /** of the socket; at most 100 bytes, in a directory of mode 0700. WebSocket URL: `managerUrl(dial)` */
    path: z.string().min(1),
  }),
  z.object({
    kind: z.literal("tls"),
    /** an address of the agent's machine */
    host: z.string().min(1),
    port: z.int().min(1).max(65_535),
    /** SHA-256 of the agent's certificate (DER), in hex: whoever shows another one is not the agent */
    fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  }),
]);
export type ManagerDial = z.infer<typeof ManagerDial>;

/** The bounds inside which a manager runs tasks. */
export const ManagerLimits = z.object({
  /** head and tail of stdout and of stderr that are kept of each task, bytes each */
  outputHeadBytes: z.int().nonnegative().default(1_048_576),
  outputTailBytes: z.int().nonnegative().default(1_048_576),
  /** SIGTERM to SIGKILL, for timeouts, cancels and drains */
  killGraceMs: z.int().positive().default(5_000),
  /** a worker that is not ready by then counts as broken */
  workerStartMs: z.int().positive().default(30_000),
  /** an idle worker of an owner without work ends after that */
  workerIdleMs: z.int().positive().default(60_000),
  /** a worker is replaced after so many tasks; modules cannot be unloaded. 0: never */
  tasksPerWorker: z.int().nonnegative().default(0),
});
export type ManagerLimits = z.infer<typeof ManagerLimits>;

/** The whole file. */
export const ManagerConfig = z.object({
  endpoint: z.string(),
  block: z.string(),
  node: z.int().nonnegative(),
  dial: ManagerDial,
  /** 0600; its text, trimmed, is the `secret` of the manager's hello. One secret a block */
  secretFile: z.string(),
  /** 0700, this manager's own: sockets, temporary files, worker directories. The manager removes it at a clean end */
  dir: z.string(),
  /** beside `--dir`, which is on the node: what the configuration had as `dir`, which all nodes of the block see */
  sharedDir: z.string().optional(),
  /** 0700, shared by the managers of this node: functions and blobs by hash; written by rename, so readers need no lock */
  cacheDir: z.string(),
  /** pino JSON is appended here, and what the process writes to stderr */
  logFile: z.string(),
  logLevel: z.string().default("info"),
  capacity: z.object({
    cores: z.int().positive(),
    memoryMb: z.int().nonnegative(),
    gpus: z.int().nonnegative(),
    /** it runs beside so many nodes and starts commands on them; cores, memory and GPUs are those of one */
    nodes: z.int().positive().optional(),
  }),
  /** what starts the ranks of commands on several nodes */
  mpi: z
    .object({ launcher: z.enum(MPI_LAUNCHER_TYPES), overrides: z.array(z.string()) })
    .default({ launcher: "mpiexec", overrides: [] }),
  /** how many worker processes run at the same time at most */
  workersPerNode: z.int().positive(),
  /** the interpreter for Python functions */
  python: z.string().default("python3"),
  /** `cores`: each process is kept on as many cores as its tasks asked for, which are its own */
  affinity: z.enum(["none", "cores"]).default("none"),
  /** added to the scrubbed environment of every worker */
  env: z.record(z.string(), z.string()).default({}),
  orphanTimeoutMs: z.int().positive(),
  /** ms from the manager's start until its block's walltime ends; null when it has none */
  walltimeMs: z.int().positive().nullable().default(null),
  limits: ManagerLimits.prefault({}),
});
export type ManagerConfig = z.infer<typeof ManagerConfig>;

/** The largest frame on the link, either way; `ws` is told so as maxPayload. */
export const MAX_LINK_FRAME_BYTES = 64 * 1024 * 1024;

/** The environment variable by which every process of a block is found again: `<endpoint>/<block>/<node>`. */
export const BLOCK_ENV = "FARCALL_BLOCK";

/** The same for what one manager's worker or command has started: `<nonce of the manager>/<worker>`. */
export const WORKER_ENV = "FARCALL_WORKER";

/** Exit code that tells a supervisor: do not restart this (fenced, refused, or configured wrongly). EX_CONFIG of sysexits. */
export const EXIT_DO_NOT_RESTART = 78;

/** The URL that `ws` dials; with TLS, over a connection whose certificate was compared already. */
export function managerUrl(dial: ManagerDial): string {
  if (dial.kind === "unix") return `ws+unix://${dial.path}:${MANAGER_PATH}`;
  const host = dial.host.includes(":") ? `[${dial.host}]` : dial.host;
  return `ws://${host}:${dial.port}${MANAGER_PATH}`;
}
