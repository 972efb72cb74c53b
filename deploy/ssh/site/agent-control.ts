/** Starts, stops and looks after the agent at a site, by the script that lies in its directory. */
import { readFileSync } from "node:fs";
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";
import { type Launch, launchScript, unitFile } from "./files.ts";
import type { SiteFacts } from "./probe.ts";
import type { StartWay } from "./start-ways.ts";
import { writeRemote } from "./upload.ts";

export type AgentState = {
  state: "running" | "started" | "stopped" | "stopping" | "not-running" | "removed" | "failed";
  pid?: number;
  /** the login node that it was started on, and the one that answered */
  host?: string;
  here?: string;
  how?: string;
};

const SCRIPT = readFileSync(new URL("./site-agent.sh", import.meta.url), "utf8");
const ANSWER_MS = 30_000;

/** systemd where the user's processes stay without a login, else tmux, else nohup in a session of its own. */
export function startWay(facts: SiteFacts): StartWay {
  if (facts.lingers) return "systemd";
  return facts.programs.tmux ? "tmux" : "nohup";
}

/** What a person has to know of what ends the agent there. */
export function whatEndsIt(way: StartWay, facts: SiteFacts, name: string): string {
  if (way === "systemd" && facts.lingers) return `it starts again by itself when ${facts.host} is booted`;
  const linger = "`loginctl enable-linger`, said there once, makes it stay";
  if (way === "systemd") return `! it ends with your last login on ${facts.host}: ${linger}`;
  return `after a reboot of ${facts.host}, \`farcall endpoint start ${name}\` starts it again`;
}

/** Writes the scripts that start and control the agent. */
export async function writeScripts(session: SshSession, launch: Launch): Promise<void> {
  const dir = launch.places.endpoint;
  await writeRemote(session, `${dir}/launch.sh`, launchScript(launch), "700");
  await writeRemote(session, `${dir}/agent.sh`, SCRIPT, "700");
  await writeRemote(session, `${dir}/farcall.service`, unitFile(launch));
}

/** Runs the script. Throws with the agent's own words when it could not do it. */
export async function control(
  session: SshSession,
  dir: string,
  args: readonly string[],
  timeoutMs = ANSWER_MS,
): Promise<AgentState> {
  const { code, stdout, stderr } = await session.exec(["/bin/sh", `${dir}/agent.sh`, ...args], { timeoutMs });
  const state = parseState(stdout);
  if (code === 0 && state) return state;
  throw controlError(session.name, `${stdout}\n${stderr}`.trim(), state);
}

/** The `key=value` words that the script says. */
export function parseState(text: string): AgentState | undefined {
  const said = Object.fromEntries(
    [...text.matchAll(/(?:^|\s)(state|pid|host|here|how)=(\S*)/g)].map((match) => [match[1], match[2]]),
  );
  if (!said.state) return undefined;
  const { state, pid, ...rest } = said;
  const kept = Object.fromEntries(Object.entries(rest).filter(([, value]) => value));
  return { ...kept, state: state as AgentState["state"], ...(pid ? { pid: Number(pid) } : {}) };
}

function controlError(name: string, said: string, state: AgentState | undefined): ApiError {
  // The agent's last words have a code where it knows what is wrong.
  const known = /^([A-Z_]{4,}): (.+)$/m.exec(said);
  if (known) return ApiError.fromJSON({ code: known[1], message: `${name}: ${known[2]}` });
  if (state?.state === "stopping") {
    return new ApiError(
      "UNAVAILABLE",
      `${name}: the agent has not ended yet; \`farcall endpoint stop --now\` kills its work`,
    );
  }
  return new ApiError("UNAVAILABLE", `${name}: the agent did not start; it said: ${said.slice(-800)}`);
}
