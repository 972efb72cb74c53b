/** `farcall doctor --site`: what a site is, what is in the way, and what to put into its endpoint's configuration. */
import { askEgress, askQueues, hereScripts, probeSite, type Scripts } from "../../deploy/ssh/site/look.ts";
import type { SiteFacts } from "../../deploy/ssh/site/probe.ts";
import type { QueueFacts } from "../../deploy/ssh/site/queue.ts";
import { suggestConfig } from "../../deploy/ssh/site/suggest.ts";
import { resolveConnection } from "../../sdk/options.ts";
import type { CliContext } from "../context.ts";
import { type ReachOptions, withSession } from "../endpoint/deploy/connect.ts";
import { oneLine } from "../output/text.ts";
import type { Finding } from "./checks.ts";
import { linkAndShared, queueFindings } from "./site-batch.ts";
import { hostFindings } from "./site-host.ts";

export type SiteReport = { findings: Finding[]; config: string; facts: SiteFacts; queues: QueueFacts };

/** Looks at a site, or with `here` at this machine. */
export async function examineSite(
  context: CliContext,
  target: string,
  options: ReachOptions & { name?: string },
): Promise<SiteReport> {
  if (target === "here") return examine(context, hereScripts, { name: options.name ?? "here", at: "here" });
  const host = target.replace(/^.*@/, "").replace(/:\d+$/, "");
  return withSession(context, { target, options }, (session) =>
    examine(context, session, { name: options.name ?? host, at: "there" }),
  );
}

async function examine(
  context: CliContext,
  site: Scripts,
  { name, at }: { name: string; at: "here" | "there" },
): Promise<SiteReport> {
  const seen = await probeSite(site, undefined);
  const { scheduler, queues } = await askQueues(site, seen);
  const facts = { ...seen, scheduler };
  const findings = [...hostFindings(facts, at), ...queueFindings(facts, queues), ...linkAndShared(facts, at)];
  const url = await resolveConnection({}).then(
    (connection) => connection.url,
    () => undefined,
  );
  if (url !== undefined) findings.push(egress(url, facts, { at, asked: await askEgress(site, facts, url) }));
  context.terminal.status("");
  return { findings, config: suggestConfig(name, facts, queues), facts, queues };
}

function egress(
  url: string,
  facts: SiteFacts,
  { at, asked }: { at: "here" | "there"; asked: Awaited<ReturnType<typeof askEgress>> },
): Finding {
  const check = "gateway";
  if (!asked)
    return {
      check,
      state: "warning",
      found: "not tried: there is no curl",
      next: "The agent tries it at its start; `farcall endpoint deploy` does so before.",
    };
  if (/^200$/m.test(asked.direct)) return { check, state: "ok", found: `${url} is reached directly` };
  if (asked.proxied && /^200$/m.test(asked.proxied)) {
    return {
      check,
      state: "ok",
      found: `${url} is reached through ${oneLine((facts.proxy ?? "").replace(/\/\/[^/@]*@/, "//"))}`,
    };
  }
  const next =
    at === "here"
      ? "Set FARCALL_URL to an address of the gateway that this machine reaches, and `proxy` in the configuration."
      : "Deploy with --gateway <url> that the site reaches, or --proxy <url>.";
  return { check, state: "wrong", found: oneLine(`${url}: ${asked.direct}`), next };
}
