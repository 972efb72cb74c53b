/** `farcall doctor --endpoint`: what a compute node is, from a small task that runs on one. */
import { readFileSync } from "node:fs";
import { harmless } from "../../deploy/ssh/prompter.ts";
import { countOf, isAtLeast, libcOf } from "../../deploy/ssh/site/probe.ts";
import { ApiError } from "../../protocol/errors.ts";
import { createWaiting } from "../calls/waiting.ts";
import type { CliContext } from "../context.ts";
import { confirm } from "../endpoint/confirm.ts";
import { localEndpoints } from "../endpoint/directory.ts";
import { byteSize, duration, oneLine } from "../output/text.ts";
import type { Finding } from "./checks.ts";

export type NodeOptions = { json?: boolean; yes?: boolean; wait: number };

const SCRIPT = readFileSync(new URL("./node-probe.sh", import.meta.url), "utf8");
const GATEWAY_TIMEOUT_MS = 60_000;
const TASK_MS = 60_000;

/** Runs the task, with the user's consent where that may cost a block, and reads what it prints. */
export async function examineNode(context: CliContext, name: string, options: NodeOptions): Promise<Finding[]> {
  const waiting = createWaiting(context, {
    gatewayTimeout: GATEWAY_TIMEOUT_MS,
    ...(options.json ? { json: true } : {}),
  });
  const farcall = await context.connect(waiting.connection);
  const { id, state, summary } = await farcall.endpoints.get(name);
  if (state !== "online")
    throw new ApiError("ENDPOINT_OFFLINE", `${name} is ${state}, so no task can look at its nodes`);
  if (!summary || summary.slots === 0) {
    await confirm(context, options, `No block of ${name} runs. A small task would ask for one; go on?`);
  }
  const local = localEndpoints(context.env).find((endpoint) => endpoint.id === id);
  const probe = farcall.command("sh -c {script} probe {directory}", { name: "doctor", allowFailure: true });
  const once = probe.with({ endpoint: id, timeoutMs: TASK_MS, ttlMs: options.wait, signal: context.signal });
  const task = once.submit({ script: SCRIPT, directory: local?.dir ?? "" });
  const { stdout, stderr, exitCode } = await waiting.until(farcall.tasks, task, async () => task);
  const { submittedAt, startedAt } = await farcall.tasks.get(task.id);
  if (exitCode !== 0)
    throw new ApiError("SITE_UNFIT", `the probe ended with ${exitCode}: ${oneLine(stderr.slice(-300))}`);
  return nodeFindings(stdout, { submittedAt, startedAt, askedForDirectory: local !== undefined });
}

const MAX_SKEW_MS = 60_000;
const MIN_SCRATCH_BYTES = 100_000_000;
const MIN_PROCESSES = 64;

/** What its lines say. */
export function nodeFindings(
  text: string,
  times: { submittedAt: number; startedAt: number | null; askedForDirectory: boolean },
): Finding[] {
  const said = new Map<string, string>();
  for (const line of harmless(text).split("\n")) {
    const at = line.indexOf("=");
    if (at > 0 && line.slice(at + 1).trim() !== "") said.set(line.slice(0, at), line.slice(at + 1).trim());
  }
  if (said.get("end") !== "yes")
    throw new ApiError("SITE_UNFIT", `the probe did not come to its end: ${oneLine(text.slice(-300))}`);
  return [
    ran(said, times),
    system(said),
    directory(said, times),
    python(said),
    node(said),
    limits(said),
    scratch(said),
    clock(said, times),
  ];
}

type Said = ReadonlyMap<string, string>;

function ran(said: Said, { submittedAt, startedAt }: { submittedAt: number; startedAt: number | null }): Finding {
  const after = startedAt === null ? "" : `, ${duration(startedAt - submittedAt)} after it was asked`;
  return { check: "a task ran", state: "ok", found: `on ${said.get("host") ?? "?"}${after}: nodes reach the agent` };
}

function system(said: Said): Finding {
  const libc = libcOf(said.get("libc") ?? "");
  const memory = countOf(said.get("memory.kb"));
  const facts = [
    said.get("kernel") ?? "kernel unknown",
    libc.kind === "unknown" ? "libc unknown" : `${libc.kind} ${libc.version}`,
    `${said.get("cores") ?? "?"} processors`,
    memory === undefined ? "" : `${byteSize(memory * 1024)} of memory`,
  ];
  return { check: "node", state: "ok", found: facts.filter(Boolean).join(", ") };
}

function directory(said: Said, { askedForDirectory }: { askedForDirectory: boolean }): Finding {
  const check = "shared";
  if (said.has("directory")) return { check, state: "ok", found: "the node sees the endpoint's directory" };
  if (!askedForDirectory)
    return { check, state: "ok", found: "not asked: the endpoint's directory is not on this machine" };
  const next =
    "Blocks of a batch scheduler need it: put it on a file system that nodes have (XDG_STATE_HOME, or deploy --dir).";
  return { check, state: "warning", found: "the node does not see the endpoint's directory", next };
}

function python(said: Said): Finding {
  const version = /^Python (\d+\.\d+\.\d+)/.exec(said.get("python") ?? "")?.[1];
  if (version && isAtLeast(version, "3.6")) return { check: "python", state: "ok", found: version };
  const next = "For Python functions load a module in workers.init, or name an interpreter in workers.python.";
  return { check: "python", state: "warning", found: version ?? "none on the PATH", next };
}

function node(said: Said): Finding {
  const found = said.get("node") ?? "none on the PATH";
  return { check: "node.js", state: "ok", found: `${found}; managers bring the agent's own or need none` };
}

function limits(said: Said): Finding {
  const processes = countOf(said.get("limit.processes"));
  const found = `processes: ${said.get("limit.processes") ?? "?"}; files of a process: ${said.get("limit.files") ?? "?"}`;
  if (processes === undefined || processes >= MIN_PROCESSES) return { check: "limits", state: "ok", found };
  const next = "Few workers can run: lower policy.workersPerNode, or ask the site to raise `ulimit -u` in jobs.";
  return { check: "limits", state: "warning", found, next };
}

function scratch(said: Said): Finding {
  const free = countOf(said.get("scratch.kb"));
  const found = `${said.get("scratch") ?? "?"}: ${free === undefined ? "space unknown" : `${byteSize(free * 1024)} free`}`;
  if (free === undefined || free * 1024 >= MIN_SCRATCH_BYTES) return { check: "scratch", state: "ok", found };
  return {
    check: "scratch",
    state: "warning",
    found,
    next: "Name another directory for the files of tasks: workers.scratch.",
  };
}

function clock(said: Said, { startedAt }: { startedAt: number | null }): Finding {
  const seconds = countOf(said.get("clock"));
  const check = "clock";
  if (seconds === undefined || startedAt === null) return { check, state: "ok", found: "not compared" };
  const skew = seconds * 1_000 - startedAt;
  const found = `${duration(Math.abs(skew))} ${skew < 0 ? "behind" : "ahead of"} the gateway's, to a second or two`;
  if (Math.abs(skew) < MAX_SKEW_MS) return { check, state: "ok", found };
  return { check, state: "warning", found, next: "TLS certificates have times; tell the site's administrators." };
}
