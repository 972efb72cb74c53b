/** `farcall endpoint deploy`: from a login to an endpoint that is online. Every step may be repeated. */
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { SshSession } from "../../../deploy/ssh/channels.ts";
import { parseTarget } from "../../../deploy/ssh/config.ts";
import {
  type AgentState,
  control,
  startWay,
  whatEndsIt,
  writeScripts,
} from "../../../deploy/ssh/site/agent-control.ts";
import { moveGateway, readSite, writeCredentials } from "../../../deploy/ssh/site/credentials.ts";
import { checkEgress } from "../../../deploy/ssh/site/egress.ts";
import { placesAt, type SitePlaces } from "../../../deploy/ssh/site/files.ts";
import { type Installed, install, type Reporter } from "../../../deploy/ssh/site/install.ts";
import { withInstallLock } from "../../../deploy/ssh/site/install-lock.ts";
import { localNode } from "../../../deploy/ssh/site/local-node.ts";
import { probeSite } from "../../../deploy/ssh/site/look.ts";
import { makeOwnDirectory } from "../../../deploy/ssh/site/own-directory.ts";
import type { SiteFacts } from "../../../deploy/ssh/site/probe.ts";
import { type SiteRecord, writeRecord } from "../../../deploy/ssh/site/record.ts";
import type { StartWay } from "../../../deploy/ssh/site/start-ways.ts";
import { must, writeRemote } from "../../../deploy/ssh/site/upload.ts";
import { ApiError } from "../../../protocol/errors.ts";
import { Name } from "../../../protocol/task.ts";
import { resolveConnection } from "../../../sdk/options.ts";
import type { CliContext } from "../../context.ts";
import { checkConfigAt } from "./check-config.ts";
import { configOf, fileText, type SiteConfigText, withProxy } from "./config-text.ts";
import { type ReachOptions, withSession } from "./connect.ts";
import { terminalReport } from "./report.ts";

export type DeployOptions = ReachOptions & {
  name?: string;
  site?: string;
  config?: string;
  gateway?: string;
  dir?: string;
  node?: string;
  proxy?: string;
  set?: string[];
  start?: StartWay;
  /** leave the site's configuration as it is */
  keepConfig?: boolean;
};

const ONLINE_MS = 60_000;
const START_S = 60;

type Plan = { context: CliContext; options: DeployOptions; target: string; name: string; report: Reporter };

/** Deploys an endpoint at `[user@]host`. */
export async function deployEndpoint(context: CliContext, target: string, options: DeployOptions): Promise<void> {
  const name = options.name ?? options.site?.split(":")[0] ?? parseTarget(target).host;
  if (!Name.safeParse(name).success) {
    throw new ApiError("CONFIG_INVALID", `${JSON.stringify(name)} is no endpoint name; say --name <name>`);
  }
  const report = terminalReport(context.terminal, options);
  const plan: Plan = { context, options, target, name, report };
  // Before anything is done at the site: a mistake in the configuration, or a gateway that does not answer.
  const given = options.config === undefined ? undefined : fileText(options.config);
  const { proxy, set: settings, site } = options;
  const config = configOf({ name, site, given, settings, proxy });
  for (const note of config.notes) context.terminal.note(`! ${note}`);
  await context.connect();
  const record = await withSession(context, { target, options }, (session) => deployOver(session, plan, config));
  await untilOnline(plan, record);
  if (options.json) return context.terminal.json({ ...record, state: "online" });
  context.terminal.line(`endpoint ${name} is online, on ${record.host}`);
}

async function deployOver(session: SshSession, plan: Plan, config: SiteConfigText): Promise<SiteRecord> {
  const { context, options, report, name } = plan;
  report.step("looking at the site");
  const facts = await probeSite(session, options.dir);
  report.done(describe(session.name, facts));
  if (!facts.writable)
    throw new ApiError("SITE_UNFIT", `${options.dir ?? facts.home} cannot be written; say --dir <directory>`);
  const places = placesAt(facts.home, { name, base: options.dir });
  const installed = await install(session, {
    facts,
    data: places.data,
    node: options.node,
    local: localNode(),
    env: context.env,
    signal: context.signal,
    report,
  });
  await makeOwnDirectory(session, places.endpoint);
  const onWait = () => report.step("somebody else is deploying it: waiting");
  const lock = { dir: places.endpoint, signal: context.signal, onWait };
  // From the registration, whose token is shown once, to its agent: two who deploy one endpoint would each undo the other's.
  return withInstallLock(session, lock, () => bringUp(session, { plan, places, installed, facts, config }));
}

async function bringUp(
  session: SshSession,
  at: { plan: Plan; places: SitePlaces; installed: Installed; facts: SiteFacts; config: SiteConfigText },
): Promise<SiteRecord> {
  const { plan, places, installed, facts, config } = at;
  const { context, options, name } = plan;
  const endpoint = await configureAt(session, { plan, places, configText: config.text });
  // The agent's own code reads it for the next step, and one that runs there is stopped for the last.
  await checkConfigAt(session, places.endpoint);
  await wayOutOf(session, { plan, places, installed, facts });
  const way = options.start ?? startWay(facts);
  const record: SiteRecord = {
    name,
    endpoint,
    target: plan.target,
    dir: places.endpoint,
    host: facts.host,
    agent: installed.agent,
    ...(options.via === undefined ? {} : { jump: options.via }),
    ...(options.sshConfig === undefined ? {} : { configFile: options.sshConfig }),
    ...(options.dir === undefined ? {} : { base: options.dir }),
    ...(options.site === undefined ? {} : { site: options.site }),
    ...(options.set === undefined ? {} : { set: options.set }),
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    ...(options.node === undefined ? {} : { node: options.node }),
    ...(options.start === undefined ? {} : { start: options.start }),
  };
  // Before it starts: what does not start must be found for its log.
  writeRecord(context.env, record);
  await startAt(session, { plan, places, installed, way, init: config.init });
  if (!options.json) context.terminal.note(whatEndsIt(way, facts, name));
  return record;
}

/** Registers the endpoint unless the site has credentials that the gateway knows. */
async function configureAt(
  session: SshSession,
  { plan, places, configText }: { plan: Plan; places: SitePlaces; configText: string },
): Promise<string> {
  const { context, options, name, report } = plan;
  report.step("configuration");
  const dir = places.endpoint;
  const known = await readSite(session, dir);
  const given = options.config !== undefined || options.set !== undefined;
  const keep = known.configured && (options.keepConfig === true || !given);
  if (!keep) await writeRemote(session, `${dir}/config.yaml`, configText);
  const gateway = options.gateway ?? (await resolveConnection({})).url;
  const farcall = await context.connect();
  if (known.endpoint && (await isKnown(farcall, known.endpoint))) {
    await moveGateway(session, dir, gateway);
    report.done(`${keep ? "configuration kept" : "configuration written"}, registered as ${known.endpoint}`);
    return known.endpoint;
  }
  const { endpoint, token } = await register(farcall, { name, description: `deployed to ${session.name}` });
  await writeCredentials(session, dir, { gateway, endpoint: endpoint.id, token });
  report.done(`${keep ? "configuration kept" : "configuration written"}, now registered as ${endpoint.id}`);
  return endpoint.id;
}

async function register(
  farcall: Awaited<ReturnType<CliContext["connect"]>>,
  { name, description }: { name: string; description: string },
) {
  try {
    return await farcall.endpoints.create(name, { description });
  } catch (cause) {
    if (!(cause instanceof ApiError) || cause.code !== "CONFLICT") throw cause;
    const there = await farcall.endpoints.get(name);
    // A deployment that was killed before it wrote the token down, which was shown once: nobody has it, nothing is lost.
    if (there.state === "never-started" && there.description === description && there.queued === 0) {
      await farcall.endpoints.delete(there.id);
      return farcall.endpoints.create(name, { description });
    }
    const how = `choose another with --name, or \`farcall endpoint delete ${name}\` first`;
    throw new ApiError("CONFLICT", `an endpoint ${name} exists, and this site does not have its token: ${how}`, {
      cause,
    });
  }
}

/** Before the agent starts: one that cannot reach the gateway would only wait. A proxy that is needed is written down. */
async function wayOutOf(
  session: SshSession,
  { plan, places, installed, facts }: { plan: Plan; places: SitePlaces; installed: Installed; facts: SiteFacts },
): Promise<void> {
  const { report } = plan;
  report.step("way to the gateway");
  const dir = places.endpoint;
  const { proxy } = await checkEgress(session, { installed, dir, proxy: facts.proxy });
  const text = await must(session, ["cat", `${dir}/config.yaml`]);
  const known = (parse(text) as { proxy?: string } | null)?.proxy;
  if (proxy !== null && known === undefined) await writeRemote(session, `${dir}/config.yaml`, withProxy(text, proxy));
  report.done(proxy === null ? "the gateway is reached" : `the gateway is reached through ${new URL(proxy).host}`);
}

/** Starts the agent; one of other files is replaced, and its blocks run on. */
async function startAt(
  session: SshSession,
  {
    plan,
    places,
    installed,
    way,
    init,
  }: { plan: Plan; places: SitePlaces; installed: Installed; way: StartWay; init: string[] },
): Promise<AgentState> {
  const { report } = plan;
  report.step("starting the agent");
  const dir = places.endpoint;
  await writeScripts(session, { ...installed, places, init });
  await control(session, dir, ["leave"], 60_000);
  const state = await control(session, dir, ["start", way, String(START_S)], (START_S + 30) * 1_000);
  report.done(`agent runs by ${way}: process ${state.pid}`);
  return state;
}

async function untilOnline({ context, report }: Plan, record: SiteRecord): Promise<void> {
  report.step("waiting for it at the gateway");
  const farcall = await context.connect();
  const until = performance.now() + ONLINE_MS;
  for (;;) {
    const { state } = await farcall.endpoints.get(record.endpoint);
    if (state === "online" || state === "draining") return context.terminal.status("");
    if (performance.now() > until) {
      throw new ApiError(
        "ENDPOINT_OFFLINE",
        `the agent runs on ${record.host}, but the gateway has not heard of it; \`farcall endpoint logs ${record.name}\` says more`,
      );
    }
    await sleep(200, undefined, { signal: context.signal });
  }
}

async function isKnown(farcall: Awaited<ReturnType<CliContext["connect"]>>, id: string): Promise<boolean> {
  try {
    await farcall.endpoints.get(id);
    return true;
  } catch (error) {
    if (error instanceof ApiError && ["NOT_FOUND", "ENDPOINT_UNKNOWN"].includes(error.code)) return false;
    throw error;
  }
}

function describe(name: string, { os, arch, libc, host, scheduler, python }: SiteFacts): string {
  const parts = [`${os} ${arch}`, libc.kind === "unknown" ? "libc unknown" : `${libc.kind} ${libc.version}`];
  parts.push(scheduler ? `batch system ${scheduler}` : "no batch system");
  if (python) parts.push(`Python ${python}`);
  return `${name}: ${host}, ${parts.join(", ")}`;
}
