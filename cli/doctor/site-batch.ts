/** What is to be said of a site's batch system, and of the way between it and its nodes. Pure. */

import { isLoopback, type SiteFacts } from "../../deploy/ssh/site/probe.ts";
import type { Queue, QueueFacts } from "../../deploy/ssh/site/queue.ts";
import { ASKING } from "../../deploy/ssh/site/queues.ts";
import { byteSize, count, duration, oneLine } from "../output/text.ts";
import type { Finding } from "./checks.ts";
import type { At } from "./site-host.ts";

const LISTED = 20;
/** Batch systems that charge accounts, and refuse jobs without one where they have several. */
const CHARGES = new Set(["slurm", "pbs", "torque", "moab", "lsf"]);

/** The scheduler, its queues with their limits, and who is charged. */
export function queueFindings(facts: SiteFacts, found: QueueFacts): Finding[] {
  const { scheduler } = facts;
  if (!scheduler) {
    const next =
      "Blocks would be processes of this host; is it a login node? If so, are the scheduler's commands on the PATH of logins?";
    return [{ check: "scheduler", state: "warning", found: "no batch system", next }];
  }
  return [system(scheduler, found), ...queues(found.queues), ...account(scheduler, found)];
}

function system(scheduler: string, { queues, node }: QueueFacts): Finding {
  const check = "scheduler";
  if (queues.length === 0 && node === undefined && scheduler in ASKING) {
    const next = "Its commands are there; does it answer? Queue, limits and node have to be filled in by hand.";
    return { check, state: "warning", found: `${scheduler}, which listed no queues`, next };
  }
  const memory = node?.memoryMb === undefined ? "" : `, ${byteSize(node.memoryMb * 1024 ** 2)}`;
  const gpus = node && node.gpus > 0 ? `, ${node.gpus} GPUs` : "";
  const nodes = node ? `; ${plural(node.count, "node")}, the least has ${node.cores ?? "?"} cores${memory}${gpus}` : "";
  return { check, state: "ok", found: oneLine(`${scheduler}${nodes}`) };
}

function queues(all: readonly Queue[]): Finding[] {
  if (all.length === 0) return [];
  const open = all.filter((queue) => queue.open);
  const closed = all.filter((queue) => !queue.open);
  const check = "queues";
  const without = closed.map((queue) => (queue.access ? `${queue.name} (${queue.access})` : queue.name));
  const rest = without.length > 0 ? `; not for you or not open: ${without.slice(0, LISTED).join(", ")}` : "";
  if (open.length === 0) {
    const next = "Ask the site which queue you may use; provider.queue names it.";
    return [{ check, state: "wrong", found: oneLine(`none is open to you${rest}`), next }];
  }
  const found = oneLine(`${open.slice(0, LISTED).map(queueText).join(", ")}${rest}`);
  return [{ check, state: "ok", found }];
}

function queueText({ name, standard, walltimeMs, nodes, access }: Queue): string {
  const facts = [
    standard ? "the default" : "",
    walltimeMs === undefined ? "" : `up to ${duration(walltimeMs)}`,
    nodes === undefined ? "" : plural(nodes, "node"),
    access ?? "",
  ].filter(Boolean);
  return facts.length > 0 ? `${name} (${facts.join(", ")})` : name;
}

function account(scheduler: string, { accounts, standardAccount }: QueueFacts): Finding[] {
  if (!CHARGES.has(scheduler)) return [];
  const check = "account";
  if (accounts.length === 0) {
    return [{ check, state: "ok", found: "none is known; if the site charges one, provider.account names it" }];
  }
  const all = accounts.slice(0, LISTED).join(", ");
  if (standardAccount) return [{ check, state: "ok", found: `${standardAccount} if none is named; yours: ${all}` }];
  if (accounts.length === 1) return [{ check, state: "ok", found: all }];
  const next = "Choose one: provider.account.";
  return [{ check, state: "warning", found: oneLine(all), next }];
}

/** Whether nodes see the directory and can dial the agent; only a task on one proves it. */
export function linkAndShared(facts: SiteFacts, at: At): Finding[] {
  if (!facts.scheduler) return [];
  return [shared(facts, at), link(facts)];
}

function shared({ shared: known, fileSystem, home }: SiteFacts, at: At): Finding {
  const check = "shared";
  if (known) return { check, state: "ok", found: `${home} is ${fileSystem}, which nodes usually have too` };
  const elsewhere =
    at === "here" ? "set XDG_STATE_HOME to a directory that they have" : "deploy with --dir on a shared file system";
  const next = `If compute nodes do not have this directory, ${elsewhere}; \`farcall doctor --endpoint <name>\` finds out by a task.`;
  return { check, state: "warning", found: `${home} is ${fileSystem ?? "on a file system that is not known"}`, next };
}

function link({ address, host, interfaces }: SiteFacts): Finding {
  const check = "link";
  const others = interfaces.length > 0 ? `; its networks: ${interfaces.join(", ")}` : "";
  if (address !== undefined && !isLoopback(address)) {
    return { check, state: "ok", found: oneLine(`nodes dial ${host} at ${address}${others}`) };
  }
  const leads = address === undefined ? "leads nowhere" : `leads to ${address}`;
  const found = oneLine(`the name of this machine, ${host}, ${leads}, which nodes cannot dial${others}`);
  return { check, state: "warning", found, next: "Say which address they reach: link.address, or link.interface." };
}

function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}
