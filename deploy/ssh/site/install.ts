/** Puts the agent and, where the site has none that will do, Node.js at a site. What is there already is not sent again. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { ApiError } from "../../../protocol/errors.ts";
import type { Environment } from "../../directories.ts";
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";
import { withInstallLock } from "./install-lock.ts";
import { chooseNode, type LocalNode, type NodeChoice, OLDEST_NODE } from "./node-choice.ts";
import { fetchRelease } from "./node-fetch.ts";
import { makeOwnDirectory } from "./own-directory.ts";
import { agentFiles } from "./package-tree.ts";
import { isAtLeast, type SiteFacts } from "./probe.ts";
import { tar } from "./tar.ts";
import { upload } from "./upload.ts";

/** Tells the person what happens. */
export type Reporter = {
  /** a step begins */
  step(text: string): void;
  /** bytes of the step */
  progress(done: number, all: number): void;
  /** the step has ended, and how */
  done(text: string): void;
};

export type Installed = { node: string; agent: string; extension: "ts" | "js" };

export type InstallOptions = {
  facts: SiteFacts;
  /** the directory for agents and Node.js at the site */
  data: string;
  /** a Node.js at the site, given by the user */
  node?: string | undefined;
  local: LocalNode;
  env: Environment;
  signal: AbortSignal;
  report: Reporter;
};

const UNPACK_MS = 300_000;
const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Makes sure that both are there and that they start. */
export async function install(session: SshSession, options: InstallOptions): Promise<Installed> {
  await makeOwnDirectory(session, options.data);
  const { data: dir, signal, report } = options;
  const onWait = () => report.step("somebody else is installing there: waiting");
  return withInstallLock(session, { dir, signal, onWait }, async () => {
    const node = await installNode(session, options);
    const agent = await installAgent(session, options);
    return { node, agent, extension: EXTENSION };
  });
}

async function installNode(session: SshSession, options: InstallOptions): Promise<string> {
  const { facts, data, report } = options;
  report.step("Node.js");
  if (options.node) {
    const version = await versionOf(session, options.node);
    report.done(`Node.js ${version}: ${options.node}`);
    return options.node;
  }
  const choice = chooseNode(facts, options.local);
  if (choice.from === "nowhere") throw new ApiError("SITE_UNFIT", choice.why);
  if (choice.from === "site") {
    report.done(`Node.js ${choice.version} of the site: ${choice.path}`);
    return choice.path;
  }
  const path = `${data}/node-v${choice.version}-${choice.from === "here" ? `linux-${facts.arch}` : choice.variant}`;
  if (await isThere(session, path)) {
    report.done(`Node.js ${await versionOf(session, path)} is there`);
    return path;
  }
  const binary = await binaryOf(choice, options);
  await sendCompressed(session, { binary, path, report });
  report.done(`Node.js ${await versionOf(session, path)} sent`);
  return path;
}

async function binaryOf(
  choice: Exclude<NodeChoice, { from: "site" | "nowhere" }>,
  options: InstallOptions,
): Promise<Buffer> {
  return choice.from === "here" ? readFileSync(choice.path) : fetchRelease(choice, options);
}

/** A path that does not begin to run is of no use: the message says what the site's loader said. */
async function versionOf(session: SshSession, path: string): Promise<string> {
  const { code, stdout, stderr } = await session.exec([path, "--version"], { timeoutMs: 60_000 });
  const version = stdout.trim().replace(/^v/, "");
  if (code !== 0) throw new ApiError("SITE_UNFIT", `${path} does not run there: ${stderr.trim() || stdout.trim()}`);
  if (isAtLeast(version, OLDEST_NODE)) return version;
  throw new ApiError("SITE_UNFIT", `${path} is Node.js ${version}; the agent needs ${OLDEST_NODE} or newer`);
}

async function sendCompressed(
  session: SshSession,
  { binary, path, report }: { binary: Buffer; path: string; report: Reporter },
): Promise<void> {
  const packed = `${path}.gz`;
  await upload(session, { path: packed, content: gzipSync(binary, { level: 1 }), progress: report.progress });
  await unpack(
    session,
    `gzip -dc <${quote(packed)} >${quote(path)}.new && chmod 700 ${quote(path)}.new && mv -f ${quote(path)}.new ${quote(path)} && rm -f ${quote(packed)}`,
  );
}

async function installAgent(session: SshSession, { data, report }: InstallOptions): Promise<string> {
  report.step("agent");
  const archive = gzipSync(tar(agentFiles()), { level: 6 });
  const path = `${data}/agent-${createHash("sha256").update(archive).digest("hex").slice(0, 16)}`;
  if (await isThere(session, path)) {
    report.done("the agent is there");
    return path;
  }
  const packed = `${path}.tgz`;
  await upload(session, { path: packed, content: archive, progress: report.progress });
  // Unpacked beside its place and moved there: what has the name is whole.
  await unpack(
    session,
    `rm -rf ${quote(path)}.new && mkdir ${quote(path)}.new && gzip -dc <${quote(packed)} | (cd ${quote(path)}.new && tar xf -) && mv ${quote(path)}.new ${quote(path)} && rm -f ${quote(packed)}`,
  );
  report.done("agent sent");
  return path;
}

async function unpack(session: SshSession, script: string): Promise<void> {
  const { code, stderr } = await session.script(`umask 077; ${script}`, { timeoutMs: UNPACK_MS });
  if (code !== 0) throw new ApiError("SITE_UNFIT", `the site cannot unpack what was sent: ${stderr.trim()}`);
}

async function isThere(session: SshSession, path: string): Promise<boolean> {
  return (await session.exec(["test", "-e", path], { timeoutMs: 60_000 })).code === 0;
}
