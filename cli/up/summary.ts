/** What `farcall up` says once it runs. */

import type { RunningUp } from "../../deploy/up/running.ts";
import type { Up } from "../../deploy/up/up.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import type { Terminal } from "../output/terminal.ts";
import { duration } from "../output/text.ts";

export type UpFacts = {
  state: "started" | "already-running";
  url: string | null;
  pid: number;
  endpoint: string;
  profile?: string;
  stateDir?: string;
  tookMs?: number;
};

/** The facts of a stack that this process started. */
export function upFacts(started: Up, tookMs: number): UpFacts {
  return {
    state: "started",
    url: started.stack.url,
    pid: process.pid,
    endpoint: started.stack.endpoints[0]?.name ?? "",
    profile: started.profile,
    stateDir: started.layout.dir,
    tookMs: Math.round(tookMs),
  };
}

/** The facts as text. */
export function upLines(facts: UpFacts, terminal: Terminal): string[] {
  const took = facts.tookMs === undefined ? "" : ` in ${duration(facts.tookMs)}`;
  return [
    `${terminal.style("green", "farcall is up")}${took}: ${terminal.style("bold", facts.url ?? "")}`,
    `  endpoint  ${facts.endpoint}`,
    ...(facts.profile ? [`  profile   ${facts.profile}`] : []),
    ...(facts.stateDir ? [`  state     ${facts.stateDir}`] : []),
    `  try       farcall run -- echo hello`,
  ];
}

/** A second `up`: says where the first is, and is no failure. */
export function alreadyUp(context: CliContext, running: RunningUp, options: { json?: boolean }): void {
  if (running.state === "draining") {
    throw new ApiError("CONFLICT", `farcall (process ${running.pid}) is stopping; wait until it is gone`);
  }
  const facts: UpFacts = {
    state: "already-running",
    url: running.url,
    pid: running.pid,
    endpoint: endpointOf(running),
  };
  const where = running.url ?? "it is still starting";
  if (options.json) context.terminal.json(facts);
  else context.terminal.line(`farcall is already up: ${where} (process ${running.pid}); \`farcall down\` stops it`);
}

/** The name of the endpoint that an `up` runs. */
export function endpointOf(running: RunningUp): string {
  const agent = running.parts.find((part) => part.name.startsWith("agent:"));
  return agent?.name.slice("agent:".length) ?? "";
}
