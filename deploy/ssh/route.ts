/** The hosts from here to a target, in the order in which they are connected. */
import { ApiError } from "../../protocol/errors.ts";
import { resolveHost, type SshConfigOptions } from "./config.ts";
import type { SshHost } from "./host.ts";

export type RouteOptions = SshConfigOptions & {
  /** jump hosts that replace those of the configuration: `user@host:port`, joined by commas; `none` for no jump */
  jump?: string | undefined;
};

/** More is a loop. */
const MOST_HOPS = 8;

/** Resolves a target and the jump hosts before it. The last one is the target. */
export async function resolveRoute(target: string, options: RouteOptions): Promise<SshHost[]> {
  const last = await resolveHost(target, options);
  // As `ssh -J none`: neither jump host nor proxy.
  if (options.jump === "none") return [{ ...last, proxyCommand: undefined }];
  const jumps = options.jump?.split(",") ?? last.jumps;
  if (jumps.length === 0) return [last];
  const [first, ...others] = jumps as [string, ...string[]];
  // As OpenSSH does it: only the first jump host's own jump hosts count, the others are reached from the one before.
  const start = await resolveFirst(first, options, 1);
  const between = await Promise.all(others.map((jump) => resolveHost(jump, options)));
  return bounded([...start, ...between, last]);
}

async function resolveFirst(target: string, options: SshConfigOptions, depth: number): Promise<SshHost[]> {
  const host = await resolveHost(target, options);
  if (host.jumps.length === 0) return [host];
  if (depth >= MOST_HOPS) throw tooMany(target);
  const [first, ...others] = host.jumps as [string, ...string[]];
  const start = await resolveFirst(first, options, depth + 1);
  const between = await Promise.all(others.map((jump) => resolveHost(jump, options)));
  return bounded([...start, ...between, host]);
}

function bounded(hosts: SshHost[]): SshHost[] {
  if (hosts.length > MOST_HOPS) throw tooMany(hosts.at(-1)?.alias ?? "");
  return hosts;
}

function tooMany(target: string): ApiError {
  return new ApiError(
    "CONFIG_INVALID",
    `more than ${MOST_HOPS} jump hosts on the way to ${target}: do they name each other?`,
  );
}
