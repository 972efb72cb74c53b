import { listRecords, type SiteRecord } from "../../deploy/ssh/site/record.ts";
import type { EndpointView } from "../../protocol/endpoint.ts";
import type { CliContext } from "../context.ts";
import { gatewayNow } from "../gateway-clock.ts";
import type { Column } from "../output/table.ts";
import { age, count, oneLine } from "../output/text.ts";
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

function blocksOf({ summary }: EndpointView): string {
  return summary ? `${summary.blocks.length}/${summary.maxBlocks}` : "-";
}

function hereOf(local: LocalEndpoint | undefined, site: SiteRecord | undefined): string {
  if (!local) return site ? `at ${oneLine(site.target)}` : "-";
  return local.pid === undefined ? "stopped" : "running";
}

/** What this machine knows of it, for --json. */
export function localFacts(local: LocalEndpoint | undefined): { dir: string; pid: number | null } | null {
  return local ? { dir: local.dir, pid: local.pid ?? null } : null;
}
