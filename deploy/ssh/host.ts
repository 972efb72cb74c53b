/** A host as OpenSSH's configuration describes it. */
import { homedir } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";

/** How a host is reached and how it is known. */
export type SshHost = {
  /** as it was asked for */
  alias: string;
  host: string;
  port: number;
  user: string;
  /** the name under which its key is known, where that is not its own */
  hostKeyAlias: string | undefined;
  identityFiles: string[];
  identitiesOnly: boolean;
  /** a socket; undefined: what SSH_AUTH_SOCK says; none: no agent */
  identityAgent: string | "none" | undefined;
  knownHosts: string[];
  /** whether names are hidden in what is added there */
  hashKnownHosts: boolean;
  /** what to do with a key that is not known */
  strict: "yes" | "ask" | "accept-new" | "no";
  /** further hosts on the way, from here to there, as `user@host:port` */
  jumps: string[];
  connectTimeoutMs: number | undefined;
  /** the user has said that its key may sign with SHA-1, as servers before OpenSSH 7.2 do */
  allowSha1: boolean;
};

/** Reads the answer of `ssh -G`. */
export function hostOf(alias: string, answer: string, env: Environment): SshHost {
  const all = (key: string) =>
    answer.split("\n").flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1).trim()] : []));
  const one = (key: string) => all(key)[0];
  const proxyCommand = one("proxycommand");
  if (proxyCommand !== undefined && proxyCommand !== "none") {
    throw new ApiError("CONFIG_INVALID", `${alias} has a ProxyCommand, which is not supported; use ProxyJump or --via`);
  }
  const home = env.HOME || homedir();
  const agent = one("identityagent");
  const timeout = Number(one("connecttimeout"));
  const jump = one("proxyjump");
  return {
    alias,
    host: one("hostname") ?? alias,
    port: Number(one("port") ?? 22),
    user: one("user") ?? env.USER ?? env.LOGNAME ?? "",
    hostKeyAlias: one("hostkeyalias"),
    identityFiles: all("identityfile").map((path) => expand(path, home)),
    identitiesOnly: one("identitiesonly") === "yes",
    identityAgent: agent === undefined || agent === "SSH_AUTH_SOCK" ? undefined : expand(agent, home),
    knownHosts: [...words(one("userknownhostsfile")), ...words(one("globalknownhostsfile"))].map((path) =>
      expand(path, home),
    ),
    hashKnownHosts: one("hashknownhosts") === "yes",
    strict: strictOf(one("stricthostkeychecking")),
    jumps: jump === undefined || jump === "none" ? [] : jump.split(","),
    allowSha1: (one("hostkeyalgorithms") ?? "").split(",").includes("ssh-rsa"),
    connectTimeoutMs: Number.isInteger(timeout) && timeout > 0 ? timeout * 1_000 : undefined,
  };
}

/** OpenSSH says true and false as well as yes and no; what is unknown asks. */
export function strictOf(value: string | undefined): SshHost["strict"] {
  if (value === "yes" || value === "true") return "yes";
  if (value === "accept-new") return "accept-new";
  if (value === "no" || value === "off" || value === "false") return "no";
  return "ask";
}

/** `~/` is the home directory. */
export function expand(path: string, home: string): string {
  const bare = path.replace(/^"(.*)"$/, "$1");
  return bare.startsWith("~/") ? join(home, bare.slice(2)) : bare;
}

function words(value: string | undefined): string[] {
  return value === undefined ? [] : (value.match(/"[^"]*"|\S+/g) ?? []);
}
