/** How the Node.js programs of a stack are started. */
import { join } from "node:path";
import { endpointLayout } from "../endpoint-agent/layout.ts";
import { agentProgram } from "./agent-program.ts";
import { directoriesOf, type Environment } from "./directories.ts";
import { type Layout, programArgs } from "./layout.ts";
import type { ProcessSpec } from "./process.ts";

const READY_TIMEOUT_MS = 30_000;

/**
 * glibc keeps what was freed for the thread that had it. One place for all threads, given back when 8 MB of it are free: a
 * gateway through which a million tasks go is 50 MB smaller and no slower.
 */
const GATEWAY_MALLOC = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: String(8 * 1024 * 1024),
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024),
};

/** The gateway. */
export function gatewayProcess(layout: Layout, env: Environment): ProcessSpec {
  const args = [...programArgs("gateway/main"), "--config", layout.gatewayConfig];
  const program = { name: "gateway", args, logFile: layout.log("gateway"), cwd: layout.dir };
  return nodeProcess(program, { ...GATEWAY_MALLOC, ...env });
}

/** The agent of an endpoint; it logs where `farcall endpoint logs` looks. */
export function agentProcess(layout: Layout, name: string, env: Environment): ProcessSpec {
  const dir = layout.endpointDir(name);
  const args = [...programArgs(agentProgram(dir)), "--dir", dir];
  return nodeProcess({ name: `agent:${name}`, args, logFile: endpointLayout(dir).log, cwd: dir }, env);
}

/** The environment of a program: what Node.js compiled is kept, which makes it start in a third of the time. */
export function programEnv(env: Environment): Environment {
  return { NODE_COMPILE_CACHE: join(directoriesOf(env).cache, "node-compile-cache"), ...env };
}

function nodeProcess(
  program: Pick<ProcessSpec, "name" | "args" | "logFile"> & { cwd: string },
  env: Environment,
): ProcessSpec {
  return {
    ...program,
    file: process.execPath,
    env: programEnv(env),
    ready: "line",
    readyTimeoutMs: READY_TIMEOUT_MS,
  };
}
