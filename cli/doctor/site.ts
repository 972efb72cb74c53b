/** `farcall doctor --site`: what a site is, what is in the way, and what to put into its endpoint's configuration. */
import { startWay } from "../../deploy/ssh/site/agent-control.ts";
import { localNode } from "../../deploy/ssh/site/local-node.ts";
import { askEgress, askQueues, hereScripts, probeSite, type Scripts } from "../../deploy/ssh/site/look.ts";
import { chooseNode } from "../../deploy/ssh/site/node-choice.ts";
import { isAtLeast, type SiteFacts } from "../../deploy/ssh/site/probe.ts";
import { ASKING, type QueueFacts } from "../../deploy/ssh/site/queues.ts";
import { suggestConfig } from "../../deploy/ssh/site/suggest.ts";
import { resolveConnection } from "../../sdk/options.ts";
import type { CliContext } from "../context.ts";
import { type ReachOptions, withSession } from "../endpoint/deploy/connect.ts";
import { byteSize, duration, oneLine } from "../output/text.ts";
import type { Finding } from "./checks.ts";

export type SiteReport = { findings: Finding[]; config: string; facts: SiteFacts; queues: QueueFacts };

const MIN_FREE_BYTES = 500_000_000;
const MAX_SKEW_MS = 60_000;

/** Looks at a site, or with `here` at this machine. */
export async function examineSite(
  context: CliContext,
  target: string,
  options: ReachOptions & { name?: string },
): Promise<SiteReport> {
  if (target === "here") return examine(context, hereScripts, options.name ?? "here");
  const host = target.replace(/^.*@/, "").replace(/:\d+$/, "");
  return withSession(context, { target, options }, (session) => examine(context, session, options.name ?? host));
}

async function examine(context: CliContext, site: Scripts, name: string): Promise<SiteReport> {
  const facts = await probeSite(site, undefined);
  const queues = await askQueues(site, facts);
  const findings = [
    system(facts),
    node(facts),
    python(facts),
    scheduler(facts, queues),
    disk(facts),
    clock(facts),
    keeping(facts),
  ];
  const url = await resolveConnection({}).then(
    (connection) => connection.url,
    () => undefined,
  );
  if (url !== undefined) findings.push(egress(url, facts, await askEgress(site, facts, url)));
  context.terminal.status("");
  return { findings, config: suggestConfig(name, facts, queues), facts, queues };
}

function system({ host, os, arch, kernel, libc, user }: SiteFacts): Finding {
  const known = libc.kind === "unknown" ? "libc unknown" : `${libc.kind} ${libc.version}`;
  return { check: "system", state: "ok", found: oneLine(`${user} on ${host}: ${os} ${kernel} ${arch}, ${known}`) };
}

function node(facts: SiteFacts): Finding {
  const choice = chooseNode(facts, localNode());
  if (choice.from === "nowhere")
    return { check: "node", state: "wrong", found: facts.node ?? "none", next: choice.why };
  const what = {
    site: `${choice.version} of the site`,
    here: `${choice.version}, sent from this machine`,
    release: `${choice.version}, a release for it is fetched and sent`,
  }[choice.from];
  return { check: "node", state: "ok", found: what };
}

function python({ python: version }: SiteFacts): Finding {
  if (version && isAtLeast(version, "3.6")) return { check: "python", state: "ok", found: version };
  const next = "Load a module with Python 3.6 or newer in workers.init, or name its path in workers.python.";
  return { check: "python", state: "warning", found: version ?? "none", next };
}

function scheduler(facts: SiteFacts, { queues }: QueueFacts): Finding {
  if (!facts.scheduler) {
    return {
      check: "scheduler",
      state: "warning",
      found: "no batch system",
      next: "Blocks would be processes of this host; is it a login node?",
    };
  }
  if (queues.length === 0 && facts.scheduler in ASKING) {
    const next = "Its commands are there; does the scheduler answer? Queue and limits have to be filled in by hand.";
    return { check: "scheduler", state: "warning", found: `${facts.scheduler}, which listed no queues`, next };
  }
  const open = queues.filter((queue) => queue.open);
  const names = open.map(({ name, walltimeMs, nodes }) => {
    const limits = [
      walltimeMs === undefined ? "" : duration(walltimeMs),
      nodes === undefined ? "" : `${nodes} nodes`,
    ].filter(Boolean);
    return limits.length > 0 ? `${name} (${limits.join(", ")})` : name;
  });
  return {
    check: "scheduler",
    state: "ok",
    found: oneLine(`${facts.scheduler}${names.length > 0 ? `: ${names.join(", ")}` : ""}`),
  };
}

function disk({ freeBytes, fileSystem, shared, writable, scheduler: batch, home }: SiteFacts): Finding {
  const found = `${home}: ${freeBytes === undefined ? "" : `${byteSize(freeBytes)} free, `}${fileSystem ?? "file system unknown"}`;
  if (!writable)
    return { check: "home", state: "wrong", found: `${found}, not writable`, next: "Deploy with --dir <directory>." };
  if (freeBytes !== undefined && freeBytes < MIN_FREE_BYTES) {
    return { check: "home", state: "wrong", found, next: "Free space, or deploy with --dir <directory>." };
  }
  if (batch && !shared) {
    return {
      check: "home",
      state: "warning",
      found,
      next: "If compute nodes do not have this directory, deploy with --dir on a shared file system.",
    };
  }
  return { check: "home", state: "ok", found };
}

function clock({ clockOffsetMs }: SiteFacts): Finding {
  const found = `${duration(Math.abs(clockOffsetMs))} ${clockOffsetMs < 0 ? "behind" : "ahead"}`;
  // The site says whole seconds.
  if (Math.abs(clockOffsetMs) < MAX_SKEW_MS) return { check: "clock", state: "ok", found };
  return {
    check: "clock",
    state: "warning",
    found,
    next: "TLS certificates and tokens have times; tell the site's administrators.",
  };
}

function keeping(facts: SiteFacts): Finding {
  const way = startWay(facts);
  const found = {
    systemd: "by systemd --user, which lingers",
    tmux: "in tmux",
    nohup: "by nohup, in a session of its own",
  }[way];
  return { check: "agent stays", state: "ok", found };
}

function egress(url: string, facts: SiteFacts, asked: Awaited<ReturnType<typeof askEgress>>): Finding {
  const check = "gateway";
  if (!asked)
    return {
      check,
      state: "warning",
      found: "not tried: there is no curl",
      next: "`farcall endpoint deploy` tries it with the agent itself.",
    };
  if (/^200$/m.test(asked.direct)) return { check, state: "ok", found: `${url} is reached` };
  if (asked.proxied && /^200$/m.test(asked.proxied)) {
    return {
      check,
      state: "ok",
      found: `${url} is reached through ${oneLine((facts.proxy ?? "").replace(/\/\/[^/@]*@/, "//"))}`,
    };
  }
  const next = "Deploy with --gateway <url> that the site reaches, or --proxy <url>.";
  return { check, state: "wrong", found: oneLine(`${url}: ${asked.direct}`), next };
}
