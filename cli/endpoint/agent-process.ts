/** Starts and stops agents as processes of their own. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { agentProgram } from "../../deploy/agent-program.ts";
import { programArgs } from "../../deploy/layout.ts";
import { programEnv } from "../../deploy/stack-programs.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import { isAlive, startTimeOf } from "../../endpoint-agent/process-identity.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import type { LocalEndpoint } from "./directory.ts";

export type StartOptions = { takeOver?: boolean };
export type Started = { pid: number; epoch: number };

const READY_MS = 30_000;
const POLL_MS = 20;

/** Starts the agent in a session of its own; resolves once it has its epoch. */
export async function startAgent(
  context: CliContext,
  endpoint: LocalEndpoint,
  options: StartOptions,
): Promise<Started> {
  const { log } = endpointLayout(endpoint.dir);
  const out = openSync(log, "a", 0o600);
  const from = statSync(log).size;
  const child = spawn(process.execPath, agentArgs(endpoint, options), {
    detached: true,
    stdio: ["ignore", out, out],
    env: programEnv(context.env) as NodeJS.ProcessEnv,
    cwd: endpoint.dir,
  });
  closeSync(out);
  const until = performance.now() + READY_MS;
  let ended = false;
  child.on("exit", () => {
    ended = true;
  });
  child.on("error", () => {
    ended = true;
  });
  for (;;) {
    const said = readFileSync(log, "utf8").slice(from);
    const ready = readyLine(said);
    if (ready) {
      child.unref();
      return { pid: child.pid as number, epoch: ready.epoch };
    }
    if (ended || performance.now() > until) {
      child.kill("SIGKILL");
      throw startError(said, { log, ended });
    }
    await sleep(POLL_MS, undefined, { signal: context.signal }).catch((error) => {
      child.kill("SIGTERM");
      throw error;
    });
  }
}

/** Runs the agent in the foreground; returns its exit code. Ctrl-C reaches it directly. */
export function runAgentHere(context: CliContext, endpoint: LocalEndpoint, options: StartOptions): number {
  const { status } = spawnSync(process.execPath, agentArgs(endpoint, options), {
    stdio: "inherit",
    env: programEnv(context.env) as NodeJS.ProcessEnv,
  });
  return status ?? 1;
}

/** Sends signals to the agent and waits for its end. False when none runs. */
export async function endAgent(
  endpoint: LocalEndpoint,
  options: { signals: readonly NodeJS.Signals[]; withinMs: number; signal: AbortSignal },
): Promise<boolean> {
  const { pid } = endpoint;
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  if (pid === undefined || startTime === undefined) return false;
  for (const name of options.signals) {
    process.kill(pid, name);
    await sleep(100);
  }
  const until = performance.now() + options.withinMs;
  while (isAlive({ pid, startTime })) {
    if (performance.now() > until) {
      const next = "`farcall endpoint stop --now` kills its work";
      throw new ApiError("UNAVAILABLE", `the agent (process ${pid}) has not ended yet; ${next}`);
    }
    await sleep(50, undefined, { signal: options.signal });
  }
  return true;
}

function agentArgs(endpoint: LocalEndpoint, { takeOver }: StartOptions): string[] {
  return [...programArgs(agentProgram(endpoint.dir)), "--dir", endpoint.dir, ...(takeOver ? ["--take-over"] : [])];
}

function readyLine(said: string): { epoch: number } | undefined {
  const line = said.split("\n").find((text) => text.startsWith('{"ready":true'));
  return line === undefined ? undefined : (JSON.parse(line) as { epoch: number });
}

/** The agent's last words are the reason, with their code where they have one. */
function startError(said: string, { log, ended }: { log: string; ended: boolean }): Error {
  const match = /^([A-Z_]{4,}): ([\s\S]+)$/m.exec(said.trim());
  if (match) return ApiError.fromJSON({ code: match[1], message: match[2] });
  const how = ended ? "ended before it was ready" : `was not ready within ${READY_MS / 1000} s`;
  const hint = ended ? "" : "; the gateway or its NATS server does not answer";
  return new ApiError("UNAVAILABLE", `the agent ${how}${hint}; its log is ${log}`);
}
