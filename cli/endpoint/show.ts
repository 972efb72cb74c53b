import type { AgentState } from "../../deploy/ssh/site/agent-control.ts";
import { listRecords, type SiteRecord } from "../../deploy/ssh/site/record.ts";
import { readConfigFile } from "../../endpoint-agent/config-file.ts";
import { endpointLayout } from "../../endpoint-agent/layout.ts";
import type { EndpointView } from "../../protocol/endpoint.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import type { Column } from "../output/table.ts";
import { age, count, oneLine } from "../output/text.ts";
import { deployed } from "./deploy/deployed.ts";
import { type LocalEndpoint, localEndpoints } from "./directory.ts";

/** `farcall endpoint list`: those of the gateway, and which of them are configured on this machine. */
export async function listEndpoints(context: CliContext, options: { json?: boolean }): Promise<void> {
  const farcall = await context.connect();
  const rows: EndpointView[] = [];
  for await (const endpoint of farcall.endpoints.list({ limit: 1000 })) rows.push(endpoint);
  const here = new Map(localEndpoints(context.env).map((endpoint) => [endpoint.id, endpoint]));
  const sites = new Map(listRecords(context.env).map((site) => [site.endpoint, site]));
  if (options.json) {
    return context.terminal.json(rows.map((row) => ({ ...row, local: localFacts(here.get(row.id)) })));
  }
  if (rows.length === 0) return context.terminal.line("no endpoints; `farcall endpoint configure <name>` makes one");
  const now = await gatewayNow(farcall);
  const columns: Column<EndpointView>[] = [
    { title: "NAME", value: (row) => row.name, min: 8 },
    { title: "STATE", value: (row) => row.state },
    { title: "BLOCKS", value: (row) => blocksOf(row), align: "right" },
    { title: "SLOTS", value: (row) => row.summary?.slots ?? 0, align: "right" },
    { title: "BUSY", value: (row) => row.summary?.busy ?? 0, align: "right" },
    { title: "QUEUED", value: (row) => count(row.queued), align: "right" },
    { title: "SEEN", value: (row) => age(row.lastSeenAt, now) },
    { title: "HERE", value: (row) => hereOf(here.get(row.id), sites.get(row.id)) },
    { title: "ID", value: (row) => row.id, min: 8 },
  ];
  context.terminal.table(rows, columns);
}

/** `farcall endpoint status`: one endpoint as its gateway sees it, and its agent when it is of this machine. */
export async function showEndpoint(
  context: CliContext,
  name: string,
  options: { json?: boolean; site: boolean },
): Promise<void> {
  const farcall = await context.connect();
  const local = localEndpoints(context.env).find((endpoint) => endpoint.name === name || endpoint.id === name);
  const there = local ? undefined : await deployed(context, name);
  const view = await farcall.endpoints.get(local?.id ?? there?.site.endpoint ?? name);
  const mistake = local ? configMistake(local) : undefined;
  const site = there && {
    target: there.site.target,
    dir: there.site.dir,
    ...(options.site ? await askSite(there, context, options) : {}),
  };
  if (options.json) {
    const more = { ...(mistake ? { mistake } : {}), ...(site ? { site } : {}) };
    return context.terminal.json({ ...view, local: localFacts(local), ...more });
  }
  const { terminal } = context;
  const now = await gatewayNow(farcall);
  terminal.line(`${view.name}: ${view.state}, seen ${age(view.lastSeenAt, now)}, epoch ${view.epoch}, id ${view.id}`);
  terminal.line(
    `tasks: ${count(view.queued)} queued, ${count(view.leased)} handed out, ${count(view.running)} running`,
  );
  if (local) {
    const agent = local.pid === undefined ? "no agent runs here" : `its agent is process ${local.pid}`;
    terminal.line(`here: ${agent}; ${endpointLayout(local.dir).config}`);
  }
  if (site) terminal.line(siteLine(site));
  if (mistake) terminal.note(mistake);
  const { summary } = view;
  if (!summary) return;
  terminal.line(`agent: version ${summary.version} on ${oneLine(summary.host)}, ${summary.rssMb} MiB`);
  terminal.line(
    `blocks: ${summary.blocks.length} of at most ${summary.maxBlocks}, ${summary.busy} of ${summary.slots} slots busy`,
  );
  if (summary.trouble) terminal.line(`trouble: ${oneLine(summary.trouble)}`);
  if (summary.blocks.length === 0) return;
  terminal.table(summary.blocks, [
    { title: "BLOCK", value: (block) => block.id, min: 8 },
    { title: "STATE", value: (block) => block.state },
    { title: "SINCE", value: (block) => age(block.since, now) },
    { title: "NODES", value: (block) => block.nodes, align: "right" },
    { title: "SLOTS", value: (block) => block.slots, align: "right" },
    { title: "BUSY", value: (block) => block.busy, align: "right" },
    { title: "REASON", value: (block) => oneLine(block.reason ?? "-"), min: 8 },
  ]);
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

function blocksOf({ summary }: EndpointView): string {
  return summary ? `${summary.blocks.length}/${summary.maxBlocks}` : "-";
}

function hereOf(local: LocalEndpoint | undefined, site: SiteRecord | undefined): string {
  if (!local) return site ? `at ${oneLine(site.target)}` : "-";
  return local.pid === undefined ? "stopped" : "running";
}

function localFacts(local: LocalEndpoint | undefined): { dir: string; pid: number | null } | null {
  return local ? { dir: local.dir, pid: local.pid ?? null } : null;
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
