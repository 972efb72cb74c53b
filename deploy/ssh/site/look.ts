/** Asks a site what it is. */
import { readFileSync } from "node:fs";
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";
import { parseProbe, type SiteFacts } from "./probe.ts";

const PROBE = readFileSync(new URL("./probe.sh", import.meta.url), "utf8");
const PROBE_MS = 60_000;

/** Runs the probe at a site; `base` is the directory that agents will be in. */
export async function probeSite(session: SshSession, base: string | undefined): Promise<SiteFacts> {
  const before = Date.now();
  const { stdout } = await session.script(`set -- ${quote(base ?? "")}\n${PROBE}`, { timeoutMs: PROBE_MS });
  return parseProbe(stdout, (before + Date.now()) / 2);
}
