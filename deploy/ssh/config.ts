/** What OpenSSH's configuration says of a host. `ssh -G` is asked where there is one: it alone knows Match and Include. */
import { ApiError } from "../../protocol/errors.ts";
import { findOnPath, run } from "../command.ts";
import type { Environment } from "../directories.ts";
import { parseSshConfig } from "./config-parser.ts";
import { hostOf, type SshHost } from "./host.ts";

export type SshConfigOptions = { env: Environment; configFile?: string | undefined };

const QUERY_MS = 15_000;

/** Resolves `[user@]host[:port]`. */
export async function resolveHost(target: string, options: SshConfigOptions): Promise<SshHost> {
  const { user, host, port } = parseTarget(target);
  const ssh = await findOnPath("ssh", options.env);
  if (!ssh) return parseSshConfig(host, { ...options, user, port });
  const args = [
    ...(options.configFile ? ["-F", options.configFile] : []),
    ...(user ? ["-l", user] : []),
    ...(port ? ["-p", String(port)] : []),
    "-G",
    host,
  ];
  try {
    return hostOf(host, await run(ssh, args, { timeoutMs: QUERY_MS, env: options.env }), options.env);
  } catch (cause) {
    throw new ApiError("CONFIG_INVALID", `the SSH configuration of ${host}: ${(cause as Error).message}`, { cause });
  }
}

/** `user@host:port` in its parts; an IPv6 address with a port is in brackets. */
export function parseTarget(target: string): { user?: string; host: string; port?: number } {
  const match =
    /^(?:([^@\s]+)@)?(?:\[([^\]\s]+)\]|([^\s:@[\]]+)|([0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%a-z]*))(?::(\d{1,5}))?$/.exec(
      target.replace(/^ssh:\/\//, "").replace(/\/$/, ""),
    );
  const host = match?.[2] ?? match?.[3] ?? match?.[4];
  const port = match?.[5] === undefined ? undefined : Number(match[5]);
  // A host or user that begins with a dash would be an option of ssh; the others mean something to the shell of a ProxyCommand.
  if (
    !match ||
    !host ||
    /[\u0000-\u0020\u007f`'"$\\;&<>|(){}]/.test(target) ||
    /^-/.test(host) ||
    match[1]?.startsWith("-") ||
    (port !== undefined && (port < 1 || port > 65_535))
  ) {
    throw new ApiError("CONFIG_INVALID", `${JSON.stringify(target)} is no [user@]host[:port]`);
  }
  return { host, ...(match[1] ? { user: match[1] } : {}), ...(port === undefined ? {} : { port }) };
}
