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
import { awaitsLogin, forgetLogin, logInWhileStarting } from "./login.ts";

export type StartOptions = { takeOver?: boolean; json?: boolean };
export type Started = { pid: number; epoch: number };

const READY_MS = 30_000;
const POLL_MS = 20;
/** How often an agent in the foreground is asked whether it needs a login. */
const LOGIN_POLL_MS = 500;

/** Starts the agent in a session of its own; resolves once it has its epoch. */
export async function startAgent(
  context: CliContext,
  endpoint: LocalEndpoint,
  options: StartOptions,
): Promise<Started> {
  const { log } = endpointLayout(endpoint.dir);
  forgetLogin(endpoint);
  const out = openSync(log, "a", 0o600);
  const from = statSync(log).size;
  const child = spawn(process.execPath, agentArgs(endpoint, options), {
    detached: true,
    stdio: ["ignore", out, out],
    env: programEnv(context.env) as NodeJS.ProcessEnv,
    cwd: endpoint.dir,
  });
  closeSync(out);
  let until = performance.now() + READY_MS;
  let busyAt = -1;
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
      context.terminal.status("");
      child.unref();
      return { pid: child.pid as number, epoch: ready.epoch };
    }
    const busy = busyLine(said);
    if (busy && busy.at > busyAt) {
      busyAt = busy.at;
      until = performance.now() + READY_MS;
      context.terminal.status(`… ${busy.what}`);
    }
    if (ended || performance.now() > until) {
      child.kill("SIGKILL");
      throw startError(said, { log, ended });
    }
    try {
      if (awaitsLogin(endpoint)) {
        await logInWhileStarting(context, endpoint, options);
        until = performance.now() + READY_MS;
      }
      await sleep(POLL_MS, undefined, { signal: context.signal });
    } catch (error) {
      child.kill("SIGTERM");
      throw error;
    }
  }
}

/** Runs the agent in the foreground; returns its exit code. Ctrl-C reaches it directly. */
export async function runAgentHere(
  context: CliContext,
  endpoint: LocalEndpoint,
  options: StartOptions,
): Promise<number> {
  const env = programEnv(context.env) as NodeJS.ProcessEnv;
  const args = agentArgs(endpoint, options);
  if (agentProgram(endpoint.dir) === "endpoint-agent/main") {
    return spawnSync(process.execPath, args, { stdio: "inherit", env }).status ?? 1;
  }
  forgetLogin(endpoint);
  const child = spawn(process.execPath, args, { stdio: "inherit", env });
  let code: number | undefined;
  const exited = new Promise<void>((resolve) => {
    const end = (status: number | null) => {
      code = status ?? 1;
      resolve();
    };
    child.once("exit", end).once("error", () => end(1));
  });
  // It decides itself what a signal means.
  context.onForce(() => exited);
  for (let asked = false; code === undefined; await Promise.race([exited, sleep(LOGIN_POLL_MS)])) {
    const wanted = context.stdin.isTTY === true && awaitsLogin(endpoint);
    if (wanted && !asked)
      await logInWhileStarting(context, endpoint, {}).catch((error) => context.terminal.note(`${error.message}`));
    // One that failed is not repeated by itself: servers lock out those who try often.
    asked = wanted;
  }
  return code;
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
      // Where `--now` was said already, or it is a restart, that is no advice.
      const drains = options.signals.length === 1 && options.signals[0] === "SIGTERM";
      const next = drains
        ? `\`farcall endpoint stop ${endpoint.name} --now\` kills its work`
        : `it is ending; \`farcall endpoint status ${endpoint.name}\` and \`farcall endpoint logs ${endpoint.name}\` show what it waits for`;
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

/** What an agent says while its start takes long for a reason, as a large file that goes to its site. */
function busyLine(said: string): { at: number; what: string } | undefined {
  const at = said.lastIndexOf('"busy":true');
  const end = said.indexOf("\n", at);
  if (at < 0 || end < 0) return undefined;
  const { msg } = JSON.parse(said.slice(said.lastIndexOf("\n", at) + 1, end)) as { msg: string };
  return { at, what: msg };
}

/** The agent's last words are the reason, with their code where they have one. */
function startError(said: string, { log, ended }: { log: string; ended: boolean }): Error {
  const match = /^([A-Z_]{4,}): ([\s\S]+)$/m.exec(said.trim());
  if (match) return ApiError.fromJSON({ code: match[1], message: match[2] });
  const how = ended ? "ended before it was ready" : `was not ready within ${READY_MS / 1000} s`;
  const hint = ended ? "" : "; the gateway or its NATS server does not answer";
  return new ApiError("UNAVAILABLE", `the agent ${how}${hint}; its log is ${log}`);
}
