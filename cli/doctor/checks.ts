/** What `farcall doctor` looks at. Each check says what it found and, when something is wrong, what to do. */
import { existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findOnPath, run } from "../../deploy/command.ts";
import { directoriesOf } from "../../deploy/directories.ts";
import { layoutOf, readJsonFile } from "../../deploy/layout.ts";
import { findNatsServer } from "../../deploy/nats/server.ts";
import { findRunning, unattendedParts } from "../../deploy/up/running.ts";
import { VERSION } from "../../deploy/version.ts";
import type { CliContext } from "../context.ts";
import { byteSize } from "../output/text.ts";

export type Finding = {
  check: string;
  state: "ok" | "warning" | "wrong";
  found: string;
  /** what to do about it */
  next?: string;
};

export type Check = { name: string; look(context: CliContext): Promise<Omit<Finding, "check">> };

const MIN_FREE_BYTES = 1024 ** 3;

/** The checks of this machine; those of the gateway are in gateway-checks.ts. */
export const MACHINE_CHECKS: readonly Check[] = [
  {
    name: "node",
    async look() {
      return { state: "ok", found: `Node.js ${process.versions.node}, farcall ${VERSION}` };
    },
  },
  { name: "python", look: checkPython },
  { name: "nats-server", look: checkNatsServer },
  { name: "disk", look: checkDisk },
  { name: "profile", look: checkProfile },
  { name: "up", look: checkUp },
];

async function checkPython({ env }: CliContext): Promise<Omit<Finding, "check">> {
  const path = await findOnPath("python3", env);
  const next = "Install Python 3.6 or newer to run Python functions here; JavaScript and commands work without.";
  if (!path) return { state: "warning", found: "python3 is not on PATH", next };
  const version = (await run(path, ["--version"], { timeoutMs: 10_000 })).trim();
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  const old = Number(major) < 3 || (Number(major) === 3 && Number(minor) < 6);
  return old ? { state: "warning", found: version, next } : { state: "ok", found: `${version} (${path})` };
}

async function checkNatsServer({ env }: CliContext): Promise<Omit<Finding, "check">> {
  const server = await findNatsServer({ env });
  if (server) return { state: "ok", found: `${server.version}, from ${server.from} (${server.path})` };
  return {
    state: "warning",
    found: "not installed",
    next: "`farcall up` fetches it once; or install nats-server 2.14+.",
  };
}

async function checkDisk({ env }: CliContext): Promise<Omit<Finding, "check">> {
  let place = directoriesOf(env).state;
  while (!existsSync(place)) place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const found = `${byteSize(free)} free in ${place}`;
  if (free >= MIN_FREE_BYTES) return { state: "ok", found };
  return { state: "wrong", found, next: "Free space: below 1 GB the gateway takes no new tasks (results still land)." };
}

async function checkProfile({ env }: CliContext): Promise<Omit<Finding, "check">> {
  const path = join(directoriesOf(env).config, "profile.json");
  if (env.FARCALL_URL) return { state: "ok", found: `FARCALL_URL=${env.FARCALL_URL}` };
  if (!existsSync(path)) {
    return {
      state: "wrong",
      found: `${path} does not exist`,
      next: "`farcall up` starts a gateway here and writes it.",
    };
  }
  if (readJsonFile(path) === undefined) {
    return { state: "wrong", found: `${path} is not JSON`, next: "Delete it; `farcall up` writes a new one." };
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    return { state: "wrong", found: `${path} holds a token and others may read it`, next: `chmod 600 ${path}` };
  }
  return { state: "ok", found: path };
}

async function checkUp({ env }: CliContext): Promise<Omit<Finding, "check">> {
  const layout = layoutOf(directoriesOf(env).state);
  const running = findRunning(layout);
  const unattended = unattendedParts(layout);
  if (unattended.length > 0) {
    const found = `it was killed; ${unattended.join(", ")} run unattended`;
    return { state: "warning", found, next: "`farcall up` takes over; `farcall down` ends them." };
  }
  if (!running) return { state: "ok", found: "nothing runs here" };
  const troubled = running.parts.filter((part) => part.state !== "running");
  if (troubled.length === 0) return { state: "ok", found: `${running.parts.length} parts run, process ${running.pid}` };
  const found = troubled.map((part) => `${part.name} ${part.state} (${part.trouble ?? "no reason known"})`).join(", ");
  return { state: "wrong", found, next: `Look in ${layout.logDir}.` };
}
