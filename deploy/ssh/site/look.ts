/** Asks a site what it is. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { ApiError } from "../../../protocol/errors.ts";
import { quote } from "../shell.ts";
import { parseProbe, type SiteFacts } from "./probe.ts";
import type { QueueFacts } from "./queue.ts";
import { ASKING, sectionsOf } from "./queues.ts";

/** What runs a script: a session, or this machine. */
export type Scripts = { script(text: string, options: { timeoutMs: number }): Promise<{ stdout: string }> };

const PROBE = readFileSync(new URL("./probe.sh", import.meta.url), "utf8");
const PROBE_MS = 60_000;
/** As in the probe: the scheduler's commands are where the site's profile says. */
const PROFILE = `farcall_path=$PATH
if (. /etc/profile) >/dev/null 2>&1 </dev/null; then . /etc/profile >/dev/null 2>&1; fi
PATH=$PATH:$farcall_path LC_ALL=C; export PATH LC_ALL
`;

/** Runs the probe at a site; `base` is the directory that agents will be in. */
export async function probeSite(site: Scripts, base: string | undefined): Promise<SiteFacts> {
  const before = Date.now();
  const { stdout } = await site.script(`set -- ${quote(base ?? "")}\n${PROBE}`, { timeoutMs: PROBE_MS });
  return parseProbe(stdout, (before + Date.now()) / 2);
}

/** Asks a site's batch system for its queues; where several have commands there, the first one that answers is it. */
export async function askQueues(site: Scripts, facts: SiteFacts): Promise<{ scheduler?: string; queues: QueueFacts }> {
  for (const scheduler of facts.schedulers) {
    const asking = ASKING[scheduler];
    if (!asking) continue;
    const { stdout } = await site.script(PROFILE + asking.script, { timeoutMs: PROBE_MS });
    const queues = asking.parse(sectionsOf(stdout));
    if (queues.queues.length > 0 || queues.node) return { scheduler, queues };
  }
  return {
    ...(facts.scheduler === undefined ? {} : { scheduler: facts.scheduler }),
    queues: { queues: [], accounts: [] },
  };
}

/** Whether a site reaches a gateway, by what it has: curl, directly and through its proxy. Undefined: it has none. */
export async function askEgress(
  site: Scripts,
  facts: SiteFacts,
  gateway: string,
): Promise<{ direct: string; proxied?: string } | undefined> {
  if (!facts.programs.curl) return undefined;
  const url = quote(new URL("/healthz", gateway).href);
  const curl = `curl -sS -m 15 -o /dev/null -w '%{http_code}\\n'`;
  const proxy = facts.proxy === undefined ? undefined : quote(facts.proxy);
  // As variables: argument lists, in which its password would be, are for all to see.
  const through = proxy
    ? `echo --; http_proxy=${proxy} https_proxy=${proxy} no_proxy= NO_PROXY= ${curl} ${url} 2>&1`
    : "";
  const direct = `${curl} --noproxy '*' ${url} 2>&1`;
  const { stdout } = await site.script(`${direct}\n${through}`, { timeoutMs: PROBE_MS });
  const [answer = "", proxied] = sectionsOf(stdout);
  return { direct: answer, ...(proxied === undefined ? {} : { proxied }) };
}

/** Scripts on this machine. */
export const hereScripts: Scripts = {
  script: (text, { timeoutMs }) =>
    new Promise((resolve, reject) => {
      const child = spawn("/bin/sh", [], {
        stdio: ["pipe", "pipe", "ignore"],
        timeout: timeoutMs,
        killSignal: "SIGKILL",
      });
      let stdout = "";
      child.stdout.setEncoding("utf8").on("data", (piece: string) => {
        stdout += piece;
      });
      child.once("error", (cause) => reject(new ApiError("SITE_UNFIT", `/bin/sh: ${cause.message}`, { cause })));
      child.once("close", () => resolve({ stdout }));
      child.stdin.on("error", () => {});
      child.stdin.end(`{ ${text}\n} </dev/null\n`);
    }),
};
