/** `farcall endpoint status|logs|start|stop|restart|upgrade|remove` for an endpoint that was deployed over SSH. */
import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { type AgentState, control, startWay } from "../../../deploy/ssh/site/agent-control.ts";
import { probeSite } from "../../../deploy/ssh/site/look.ts";
import { removeRecord, type SiteRecord } from "../../../deploy/ssh/site/record.ts";
import { removeSite } from "../../../deploy/ssh/site/remove.ts";
import type { StartWay } from "../../../deploy/ssh/site/start-ways.ts";
import { ApiError } from "../../../protocol/errors.ts";
import type { CliContext } from "../../context.ts";
import { confirm } from "../confirm.ts";
import { type EndpointLogOptions, printLogLine } from "../log-lines.ts";
import { checkConfigAt } from "./check-config.ts";
import { withSession } from "./connect.ts";
import { type DeployOptions, deployEndpoint } from "./deploy.ts";

type Json = { json?: boolean };

/** Running tasks may take their time; the script at the site waits for ten minutes. */
const STOP_MS = 11 * 60_000;
const START_S = 60;

/** Asks the site how its agent is. */
export async function siteState(context: CliContext, site: SiteRecord, options: Json): Promise<AgentState> {
  return over(context, site, options, (session) => control(session, site.dir, ["status"]));
}

/** Stops the agent at the site. One that does not run is fine. */
export async function stopAtSite(
  context: CliContext,
  site: SiteRecord,
  options: Json & { now?: boolean },
): Promise<void> {
  const args = options.now ? ["stop", "now"] : ["stop"];
  const state = await over(context, site, options, async (session) => {
    await sameHost(session, site);
    context.terminal.status("stopping …");
    return control(session, site.dir, args, STOP_MS);
  });
  say(context, site, { state, options });
}

/** Starts the agent at the site. One that runs is fine. */
export async function startAtSite(context: CliContext, site: SiteRecord, options: Json): Promise<void> {
  const state = await over(context, site, options, (session) => start(session, site));
  say(context, site, { state, options });
}

/** Starts the agent at the site anew; its blocks run on meanwhile. */
export async function restartAtSite(context: CliContext, site: SiteRecord, options: Json): Promise<void> {
  const state = await over(context, site, options, async (session) => {
    await sameHost(session, site);
    await checkConfigAt(session, site.dir);
    await control(session, site.dir, ["leave"], STOP_MS);
    return start(session, site);
  });
  say(context, site, { state, options });
}

/** Prints the agent's log at the site, and what is added to it. */
export async function logAtSite(context: CliContext, site: SiteRecord, options: EndpointLogOptions): Promise<void> {
  const lines = String(options.lines);
  await over(context, site, options, async (session) => {
    let rest = "";
    const take = (text: string) => {
      const pieces = (rest + text).split("\n");
      rest = pieces.pop() ?? "";
      for (const line of pieces) printLogLine(context, line, options);
    };
    const argv = (command: string) => ["/bin/sh", `${site.dir}/agent.sh`, command, lines];
    if (options.follow) await session.follow(argv("follow"), take, context.signal);
    else take((await session.exec(argv("logs"), { timeoutMs: 60_000 })).stdout);
  });
}

/** Deploys again, as before, with this version of the agent. */
export async function upgradeAtSite(context: CliContext, site: SiteRecord, options: Json): Promise<void> {
  const { name, target, jump, configFile, base, gateway, node, start: way } = site;
  const again: DeployOptions = {
    name,
    ...options,
    ...(jump === undefined ? {} : { via: jump }),
    ...(configFile === undefined ? {} : { sshConfig: configFile }),
    ...(base === undefined ? {} : { dir: base }),
    ...(gateway === undefined ? {} : { gateway }),
    keepConfig: true,
    ...(site.site === undefined ? {} : { site: site.site }),
    ...(site.set === undefined ? {} : { set: site.set }),
    ...(node === undefined ? {} : { node }),
    ...(way === undefined ? {} : { start: way as StartWay }),
  };
  await deployEndpoint(context, target, again);
}

/** Stops the agent and removes what was put at the site; the endpoint and its tasks go at the gateway, too. */
export async function removeAtSite(
  context: CliContext,
  site: SiteRecord,
  options: Json & { yes?: boolean },
): Promise<void> {
  const farcall = await context.connect();
  await confirm(
    context,
    options,
    `Remove endpoint ${site.name} from ${site.target}? Its unfinished tasks are cancelled.`,
  );
  await over(context, site, options, async (session) => {
    await sameHost(session, site);
    await removeSite(session, site);
  });
  let cancelled = 0;
  try {
    cancelled = (await farcall.endpoints.delete(site.endpoint)).cancelled;
  } catch (error) {
    // Deleted before: the rest is done all the same.
    if (!(error instanceof ApiError) || !["NOT_FOUND", "ENDPOINT_UNKNOWN"].includes(error.code)) throw error;
  }
  removeRecord(context.env, site.name);
  if (options.json) return context.terminal.json({ name: site.name, state: "removed", cancelled });
  context.terminal.line(`${site.name} is removed from ${site.target}; ${cancelled} tasks were cancelled`);
}

function over<T>(
  context: CliContext,
  site: SiteRecord,
  options: Json,
  work: (session: SshSession) => Promise<T>,
): Promise<T> {
  const reach = {
    ...(options.json ? { json: true } : {}),
    ...(site.jump === undefined ? {} : { via: site.jump }),
    ...(site.configFile === undefined ? {} : { sshConfig: site.configFile }),
  };
  return withSession(context, { target: site.target, options: reach }, work);
}

async function start(session: SshSession, site: SiteRecord): Promise<AgentState> {
  const way = site.start ?? startWay(await probeSite(session, site.base));
  return control(session, site.dir, ["start", way, String(START_S)], (START_S + 30) * 1_000);
}

/** A site has several login nodes behind one name, and a process can only be ended where it runs. */
async function sameHost(session: SshSession, site: SiteRecord): Promise<void> {
  const { state, host, here } = await control(session, site.dir, ["status"]).catch((error: unknown) => {
    // The directory is gone: there is nothing to stop.
    if (error instanceof ApiError && /not found|No such file|can't open|cannot open/i.test(error.message)) {
      return { state: "not-running" as const } as AgentState;
    }
    throw error;
  });
  if (state === "running" || !host || !here || host === here) return;
  throw new ApiError(
    "UNAVAILABLE",
    `the agent of ${site.name} was started on ${host}, and ${site.target} led to ${here}: deploy again with that host's own name, or try again`,
  );
}

function say(context: CliContext, site: SiteRecord, { state, options }: { state: AgentState; options: Json }): void {
  context.terminal.status("");
  const process = state.pid === undefined ? "" : `: process ${state.pid}`;
  if (options.json) context.terminal.json({ name: site.name, site: site.target, ...state });
  else context.terminal.line(`the agent of ${site.name} at ${site.target}: ${state.state}${process}`);
}
