/** The endpoint's configuration and credentials at a site. */
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";
import { must, writeRemote } from "./upload.ts";

export type SiteCredentials = { gateway: string; endpoint: string; token: string };

/** The endpoint that a directory at the site belongs to, and whether it has a configuration. Its token stays there. */
export async function readSite(
  session: SshSession,
  dir: string,
): Promise<{ endpoint: string | undefined; configured: boolean }> {
  const { stdout } = await session.script(
    `sed -n 's/.*"endpoint": *"\\([^"]*\\)".*/endpoint=\\1/p' ${quote(`${dir}/credentials.json`)} 2>/dev/null
[ ! -f ${quote(`${dir}/config.yaml`)} ] || echo configured`,
    { timeoutMs: 30_000 },
  );
  return { endpoint: /^endpoint=(\S+)$/m.exec(stdout)?.[1], configured: /^configured$/m.test(stdout) };
}

/** Writes who the agent is. The token goes over standard input: argument lists are for all to see. */
export async function writeCredentials(session: SshSession, dir: string, credentials: SiteCredentials): Promise<void> {
  await writeRemote(session, `${dir}/credentials.json`, `${JSON.stringify(credentials, null, 2)}\n`);
}

/** Names another gateway in the credentials that are there. */
export async function moveGateway(session: SshSession, dir: string, gateway: string): Promise<void> {
  const file = `${dir}/credentials.json`;
  const escaped = gateway.replace(/[\\&|]/g, "\\$&");
  await must(session, [
    "/bin/sh",
    "-c",
    `umask 077; sed "s|\\"gateway\\": *\\"[^\\"]*\\"|\\"gateway\\": \\"$2\\"|" "$1" >"$1.new" && mv -f "$1.new" "$1"`,
    "sh",
    file,
    escaped,
  ]);
}
