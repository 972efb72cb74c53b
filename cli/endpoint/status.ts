/** `farcall endpoint status`: endpoints as their gateway sees them, and their agents where those can be asked. */
import type { AgentState } from "../../deploy/ssh/site/agent-control.ts";
import { readConfigFile } from "../../endpoint-agent/config-file.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import type { EndpointView } from "../../protocol/endpoint.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import { oneLine } from "../output/text.ts";
import { type WatchOptions, watching } from "../output/watch.ts";
import { deployed } from "./deploy/deployed.ts";
import { type LocalEndpoint, localEndpoints } from "./directory.ts";
import { localFacts } from "./list.ts";
import { statusLines } from "./status-text.ts";

export type EndpointStatusOptions = WatchOptions & { json?: boolean; site: boolean };

type Waits = { task: string; reason: string; message: string };
type Found = {
  view: EndpointView;
  local: LocalEndpoint | undefined;
  site: (SiteState & { target: string; dir: string }) | undefined;
  mistake: string | undefined;
  waits: Waits | undefined;
};

/** Shows those of the names, or all that are visible. */
export async function showEndpoints(
  context: CliContext,
  names: readonly string[],
  options: EndpointStatusOptions,
): Promise<void> {
  const { terminal } = context;
  // A login at each look would lock the user out.
  const site = options.site && !options.watch;
  await watching(context, options, async () => {
    const farcall = await context.connect();
    const wanted =
      names.length > 0 ? names : (await farcall.endpoints.list({ limit: 1000 })).items.map(({ name }) => name);
    const found = await Promise.all(wanted.map((name) => find(context, name, { ...options, site })));
    if (options.json) {
      const all = found.map(factsOf);
      return [JSON.stringify(names.length === 1 ? all[0] : all)];
    }
    if (found.length === 0) return ["no endpoints; `farcall endpoint configure <name>` makes one"];
    const now = await gatewayNow(farcall);
    const width = terminal.width;
    const title = (text: string) => terminal.style("bold", text);
    return found.flatMap((each, i) => {
      const facts = { view: each.view, now, where: whereLines(each), waits: each.waits };
      return [...(i > 0 ? [""] : []), ...statusLines(facts, { width, title })];
    });
  });
}

async function find(context: CliContext, name: string, options: { json?: boolean; site: boolean }): Promise<Found> {
  const farcall = await context.connect();
  const local = localEndpoints(context.env).find((endpoint) => endpoint.name === name || endpoint.id === name);
  const there = local ? undefined : await deployed(context, name);
  const view = await farcall.endpoints.get(local?.id ?? there?.site.endpoint ?? name);
  const site = there && {
    target: there.site.target,
    dir: there.site.dir,
    ...(options.site ? await askSite(there, context, options) : {}),
  };
  const mistake = local ? configMistake(local) : undefined;
  return { view, local, site, mistake, waits: view.queued > 0 ? await oldestWaits(context, view.id) : undefined };
}

/** Why the task waits that has waited for longest. */
async function oldestWaits({ connect }: CliContext, endpoint: string): Promise<Waits | undefined> {
  const { tasks } = await connect();
  const [oldest] = (await tasks.list({ endpoint, state: ["queued"], order: "oldest", limit: 1 })).items;
  const waits = oldest && (await tasks.get(oldest.id)).waits;
  return waits ? { task: oldest.id, ...waits } : undefined;
}

function factsOf({ view, local, site, mistake, waits }: Found) {
  return {
    ...view,
    local: localFacts(local),
    waits: waits ?? null,
    ...(mistake ? { mistake } : {}),
    ...(site ? { site } : {}),
  };
}

function whereLines({ local, site, mistake }: Found): string[] {
  const lines: string[] = [];
  if (local) {
    const agent = local.pid === undefined ? "no agent runs here" : `its agent is process ${local.pid}`;
    lines.push(`here: ${agent}; ${endpointLayout(local.dir).config}`);
  }
  if (site) lines.push(siteLine(site));
  if (mistake) lines.push(`configuration: ${mistake}`);
  return lines;
}

type SiteState = Partial<AgentState> & { unreached?: string };

/** A site that cannot be asked is no reason not to say what the gateway knows. */
async function askSite(
  { site, siteState }: NonNullable<Awaited<ReturnType<typeof deployed>>>,
  context: CliContext,
  options: { json?: boolean },
): Promise<SiteState> {
  try {
    return await siteState(context, site, options);
  } catch (error) {
    if (error instanceof ApiError) return { unreached: `${error.code}: ${error.message}` };
    throw error;
  }
}

function siteLine({ target, dir, unreached, ...agent }: { target: string; dir: string } & SiteState): string {
  if (unreached !== undefined) return `there: ${target}:${dir}, not asked (${oneLine(unreached)})`;
  if (agent.state === undefined) return `there: ${target}:${dir}`;
  const runs = agent.pid === undefined ? "no agent runs" : `its agent is process ${agent.pid}, by ${agent.how}`;
  return `there: ${oneLine(`${runs}, on ${agent.host ?? "?"}`)}; ${target}:${dir}`;
}

function configMistake(local: LocalEndpoint): string | undefined {
  try {
    readConfigFile(endpointLayout(local.dir).config);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}
