/** What is to be said of a login node: its system, its limits, whether an agent may stay. Pure but for this machine's own Node.js. */
import { startWay } from "../../deploy/ssh/site/agent-control.ts";
import { localNode } from "../../deploy/ssh/site/local-node.ts";
import { chooseNode } from "../../deploy/ssh/site/node-choice.ts";
import { isAtLeast, type SiteFacts } from "../../deploy/ssh/site/probe.ts";
import { byteSize, count, duration, oneLine } from "../output/text.ts";
import type { Finding } from "./checks.ts";

/** Whether the command looks at the machine that it runs on, or over SSH. */
export type At = "here" | "there";

const MIN_FREE_BYTES = 500_000_000;
const QUOTA_SHARE = 0.95;
const MAX_SKEW_MS = 60_000;
/** An agent has a few threads and children, and a descriptor for each manager and each command. */
const MIN_PROCESSES = 64;
const MIN_FILES = 512;

/** The findings, in the order in which they are shown. */
export function hostFindings(facts: SiteFacts, at: At): Finding[] {
  return [
    system(facts),
    node(facts, at),
    python(facts),
    disk(facts, at),
    limits(facts),
    clock(facts, at),
    keeping(facts),
  ];
}

function system({ host, os, arch, kernel, libc, user }: SiteFacts): Finding {
  const known = libc.kind === "unknown" ? "libc unknown" : `${libc.kind} ${libc.version}`;
  return { check: "system", state: "ok", found: oneLine(`${user} on ${host}: ${os} ${kernel} ${arch}, ${known}`) };
}

function node(facts: SiteFacts, at: At): Finding {
  // The agent is run by what runs this command.
  if (at === "here") return { check: "node", state: "ok", found: `${process.versions.node}, which runs this command` };
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

function disk({ freeBytes, fileSystem, writable, home, quota }: SiteFacts, at: At): Finding {
  const elsewhere = at === "here" ? "set XDG_STATE_HOME to another directory" : "deploy with --dir <directory>";
  const facts = [
    freeBytes === undefined ? "" : `${byteSize(freeBytes)} free`,
    quota ? `${byteSize(quota.usedBytes)} of ${byteSize(quota.limitBytes)} of your quota used` : "",
    fileSystem ?? "file system unknown",
  ].filter(Boolean);
  const found = `${home}: ${facts.join(", ")}`;
  const check = "home";
  if (!writable)
    return { check, state: "wrong", found: `${found}, not writable`, next: `Make it so, or ${elsewhere}.` };
  const full = quota !== undefined && quota.usedBytes > quota.limitBytes * QUOTA_SHARE;
  if (full || (freeBytes !== undefined && freeBytes < MIN_FREE_BYTES)) {
    return {
      check,
      state: "wrong",
      found,
      next: `Free space, or ${elsewhere}: a journal that cannot be written stops the agent.`,
    };
  }
  return { check, state: "ok", found };
}

function limits({ limits: { processes, files } }: SiteFacts): Finding {
  const said = (value: number | undefined) => (value === undefined ? "no limit known" : count(value));
  const found = `processes: ${said(processes)}; files of a process: ${said(files)}`;
  const check = "limits";
  if ((processes ?? MIN_PROCESSES) < MIN_PROCESSES || (files ?? MIN_FILES) < MIN_FILES) {
    const next = `Raise them (\`ulimit -u\`, \`ulimit -n\`): an agent needs about ${MIN_PROCESSES} processes and ${MIN_FILES} files, more for many nodes.`;
    return { check, state: "warning", found, next };
  }
  return { check, state: "ok", found };
}

function clock({ clockOffsetMs }: SiteFacts, at: At): Finding {
  if (at === "here")
    return {
      check: "clock",
      state: "ok",
      found: "this machine's own; `farcall doctor` compares it with the gateway's",
    };
  const found = `${duration(Math.abs(clockOffsetMs))} ${clockOffsetMs < 0 ? "behind" : "ahead"}`;
  // The site says whole seconds.
  if (Math.abs(clockOffsetMs) < MAX_SKEW_MS) return { check: "clock", state: "ok", found };
  const next = "TLS certificates and tokens have times; tell the site's administrators.";
  return { check: "clock", state: "warning", found, next };
}

function keeping(facts: SiteFacts): Finding {
  const way = startWay(facts);
  const found = {
    systemd: "by systemd --user, which lingers",
    tmux: "in tmux",
    nohup: "by nohup, in a session of its own",
  }[way];
  const check = "agent stays";
  if (way === "systemd" || !facts.killsLeftover) return { check, state: "ok", found };
  return {
    check,
    state: "warning",
    found: `${found}; but logind ends what you leave running (KillUserProcesses=yes)`,
    next: `\`loginctl enable-linger ${oneLine(facts.user)}\` if you may; else ask the administrators, or use --driver ssh from a machine where an agent may stay.`,
  };
}
