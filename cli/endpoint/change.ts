import { rmSync } from "node:fs";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { endAgent, runAgentHere, startAgent } from "./agent-process.ts";
import { confirm } from "./confirm.ts";
import { localEndpoint, localEndpoints } from "./directory.ts";
import { checkRestart } from "./restart-check.ts";

type Json = { json?: boolean };

/** Running tasks may take their time; what exceeds it is said and goes on. */
const DRAIN_MS = 10 * 60_000;
const NOW_MS = 20_000;

/** `farcall endpoint start`. One that runs already is fine. */
export async function startEndpoint(
  context: CliContext,
  name: string,
  options: Json & { foreground?: boolean; takeOver?: boolean },
): Promise<void> {
  const endpoint = localEndpoint(context.env, name);
  if (options.foreground) return context.exit(await runAgentHere(context, endpoint, options));
  if (endpoint.pid !== undefined) {
    if (options.json) return context.terminal.json({ name, pid: endpoint.pid, state: "running" });
    return context.terminal.line(`the agent of ${name} runs already: process ${endpoint.pid}`);
  }
  const started = await startAgent(context, endpoint, options);
  if (options.json) return context.terminal.json({ name, ...started, state: "started" });
  context.terminal.line(`the agent of ${name} runs: process ${started.pid}, epoch ${started.epoch}`);
}

/** `farcall endpoint stop`. One that does not run is fine. */
export async function stopEndpoint(
  context: CliContext,
  name: string,
  options: Json & { now?: boolean },
): Promise<void> {
  const endpoint = localEndpoint(context.env, name);
  // The second signal says: do not wait.
  const signals = options.now ? (["SIGTERM", "SIGTERM"] as const) : (["SIGTERM"] as const);
  context.terminal.status("stopping …");
  const ran = await endAgent(endpoint, { signals, withinMs: options.now ? NOW_MS : DRAIN_MS, signal: context.signal });
  context.terminal.status("");
  if (options.json) return context.terminal.json({ name, state: ran ? "stopped" : "not-running" });
  context.terminal.line(ran ? `the agent of ${name} has stopped` : `no agent of ${name} runs here`);
}

/** `farcall endpoint restart`: the blocks run on, and the new agent takes them over. */
export async function restartEndpoint(context: CliContext, name: string, options: Json): Promise<void> {
  const endpoint = localEndpoint(context.env, name);
  await checkRestart(context, endpoint, options);
  await endAgent(endpoint, { signals: ["SIGUSR2"], withinMs: NOW_MS, signal: context.signal });
  const started = await startAgent(context, endpoint, options);
  if (options.json) return context.terminal.json({ name, ...started, state: "started" });
  context.terminal.line(`the agent of ${name} runs anew: process ${started.pid}, epoch ${started.epoch}`);
}

/** `farcall endpoint drain`. */
export async function drainEndpoint(
  context: CliContext,
  name: string,
  options: Json & { off?: boolean },
): Promise<void> {
  const farcall = await context.connect();
  await (options.off ? farcall.endpoints.resume(name) : farcall.endpoints.drain(name));
  if (options.json) return context.terminal.json({ name, draining: options.off !== true });
  context.terminal.line(options.off ? `${name} takes work again` : `${name} finishes what runs and takes nothing new`);
}

/** `farcall endpoint declare-dead`. */
export async function declareDead(context: CliContext, name: string, options: Json & { yes?: boolean }): Promise<void> {
  const farcall = await context.connect();
  await confirm(context, options, `Is the host of ${name} certainly gone? If its workers still run, tasks run twice.`);
  const { released } = await farcall.endpoints.declareDead(name);
  if (options.json) return context.terminal.json({ name, released });
  context.terminal.line(`${name} is declared dead; ${released} tasks are placed again`);
}

/** `farcall endpoint delete`: at the gateway, and here when it is of this machine. */
export async function deleteEndpoint(
  context: CliContext,
  name: string,
  options: Json & { yes?: boolean },
): Promise<void> {
  const farcall = await context.connect();
  const local = localEndpoints(context.env).find((endpoint) => endpoint.name === name || endpoint.id === name);
  await confirm(context, options, `Delete endpoint ${name}? Its unfinished tasks are cancelled.`);
  if (local) await endAgent(local, { signals: ["SIGTERM", "SIGTERM"], withinMs: NOW_MS, signal: context.signal });
  let cancelled = 0;
  try {
    cancelled = (await farcall.endpoints.delete(local?.id ?? name)).cancelled;
  } catch (error) {
    // Deleted there before: then it goes here too.
    const unknown = error instanceof ApiError && ["NOT_FOUND", "ENDPOINT_UNKNOWN"].includes(error.code);
    if (!unknown || !local) throw error;
  }
  if (local) rmSync(local.dir, { recursive: true, force: true });
  if (options.json) return context.terminal.json({ name, cancelled, local: local !== undefined });
  context.terminal.line(`${name} is deleted; ${cancelled} tasks were cancelled`);
}
