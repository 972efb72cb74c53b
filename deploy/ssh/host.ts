/** A host as OpenSSH's configuration describes it. */
import { homedir, hostname, userInfo } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import { type Algorithms, algorithmsOf } from "./algorithms.ts";
import { expandTokens, expandVariables, type Tokens, unquoted, words } from "./tokens.ts";

/** The ways to log in that are known here, as the protocol calls them. */
export type LoginMethod = "publickey" | "keyboard-interactive" | "password";

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
  /** certificates of the user's keys */
  certificateFiles: string[];
  identitiesOnly: boolean;
  /** a socket; undefined: what SSH_AUTH_SOCK says; none: no agent */
  identityAgent: string | "none" | undefined;
  /** what may be tried, best first */
  methods: LoginMethod[];
  /** nothing is to be asked */
  batchMode: boolean;
  knownHosts: string[];
  /** keys that no host may have */
  revokedHostKeys: string | undefined;
  /** whether names are hidden in what is added there */
  hashKnownHosts: boolean;
  /** what to do with a key that is not known */
  strict: "yes" | "ask" | "accept-new" | "no";
  /** further hosts on the way, from here to there, as `user@host:port` */
  jumps: string[];
  /** the program whose input and output are the connection; its tokens are not filled in */
  proxyCommand: string | undefined;
  /** of the network alone */
  family: 0 | 4 | 6;
  bindAddress: string | undefined;
  connectTimeoutMs: number | undefined;
  keepalive: { intervalMs: number; most: number };
  algorithms: Algorithms;
  /** the smallest RSA key that a host may show */
  leastRsaBits: number;
  /** variables that its commands are to have, where the server takes them */
  setEnv: Record<string, string>;
  /** the socket through which `ssh` shares its connection to it */
  controlPath: string | undefined;
};

const METHODS: readonly LoginMethod[] = ["publickey", "keyboard-interactive", "password"];
const KEEPALIVE = { intervalMs: 15_000, most: 4 };

/** Reads the answer of `ssh -G`. Throws CONFIG_INVALID for what it says of security that cannot be done here. */
export function hostOf(alias: string, answer: string, env: Environment): SshHost {
  const all = (key: string) =>
    answer
      .split("\n")
      .flatMap((line) => (line.startsWith(`${key} `) ? [unquoted(line.slice(key.length + 1).trim())] : []));
  const one = (key: string) => all(key).find((value) => value !== "");
  const some = (key: string) => all(key).find((value) => value !== "" && !isNone(value));
  refuseUnsupported(alias, some);
  const home = env.HOME || homedir();
  const host = one("hostname") ?? alias;
  const port = Number(one("port") ?? 22);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ApiError("CONFIG_INVALID", `${alias} has Port ${one("port")} in the SSH configuration`);
  }
  const user = one("user") ?? env.USER ?? env.LOGNAME ?? "";
  const hostKeyAlias = one("hostkeyalias")?.toLowerCase();
  const tokens = tokensOf({ alias, host, port, user, hostKeyAlias }, home);
  const path = (option: string) => (value: string) =>
    tilde(expandTokens(expandVariables(value, env, option), tokens, option), home);
  const agent = one("identityagent");
  const timeout = Number(one("connecttimeout"));
  const alive = Number(one("serveraliveinterval") ?? 0);
  const revoked = some("revokedhostkeys");
  const jump = some("proxyjump");
  return {
    alias,
    host,
    port,
    user,
    hostKeyAlias,
    identityFiles: all("identityfile")
      .filter((file) => !isNone(file))
      .map(path("IdentityFile")),
    certificateFiles: all("certificatefile")
      .filter((file) => !isNone(file))
      .map(path("CertificateFile")),
    identitiesOnly: isYes(one("identitiesonly")),
    identityAgent: agent === undefined ? undefined : agentSocket(agent, env, path("IdentityAgent")),
    methods: methodsOf(one),
    batchMode: isYes(one("batchmode")),
    knownHosts: [...words(one("userknownhostsfile")), ...words(one("globalknownhostsfile"))]
      .filter((file) => !isNone(file))
      .map(path("UserKnownHostsFile")),
    revokedHostKeys: revoked === undefined ? undefined : path("RevokedHostKeys")(revoked),
    hashKnownHosts: isYes(one("hashknownhosts")),
    strict: strictOf(one("stricthostkeychecking")),
    jumps: jump === undefined ? [] : jump.split(","),
    proxyCommand: some("proxycommand"),
    family: { inet: 4 as const, inet6: 6 as const }[one("addressfamily") ?? ""] ?? 0,
    bindAddress: some("bindaddress"),
    connectTimeoutMs: Number.isInteger(timeout) && timeout > 0 ? timeout * 1_000 : undefined,
    // A longer one, as Debian's ssh has it with BatchMode, would let a lost connection go unnoticed.
    keepalive:
      alive > 0 && alive * 1_000 < KEEPALIVE.intervalMs
        ? { intervalMs: alive * 1_000, most: Number(one("serveralivecountmax") ?? 3) }
        : KEEPALIVE,
    algorithms: algorithmsOf(one),
    leastRsaBits: Number(one("requiredrsasize") ?? 1_024),
    setEnv: Object.fromEntries(all("setenv").flatMap(assignment)),
    controlPath: some("controlpath"),
  };
}

/** What would change who is trusted, or how a host is reached, if it were left out is refused, with the way that is left. */
function refuseUnsupported(alias: string, get: (key: string) => string | undefined): void {
  const what = get("knownhostscommand")
    ? "KnownHostsCommand"
    : isYes(get("proxyusefdpass"))
      ? "ProxyUseFdpass"
      : undefined;
  if (what === undefined) return;
  throw new ApiError(
    "CONFIG_INVALID",
    `${alias} has ${what} in the SSH configuration, which only ssh can do; ${BY_SSH}`,
  );
}

/** The remedy for what only OpenSSH can do. */
export const BY_SSH =
  "with `ControlMaster auto` and a ControlPath for that host there, log in with ssh and stay: that connection is used";

function tokensOf(
  { alias, host, port, user, hostKeyAlias }: Pick<SshHost, "alias" | "host" | "port" | "user" | "hostKeyAlias">,
  home: string,
): Tokens {
  const here = hostname();
  const { username, uid } = userInfo();
  const local = { d: home, u: username, i: String(uid), l: here, L: here.split(".")[0] as string };
  return { ...local, h: host, n: alias, p: String(port), r: user, k: hostKeyAlias ?? alias };
}

function agentSocket(said: string, env: Environment, path: (value: string) => string): string | undefined {
  if (said === "none") return "none";
  if (said === "SSH_AUTH_SOCK") return undefined;
  // `$NAME` names a variable that holds the path.
  const variable = /^\$(\w+)$/.exec(said)?.[1];
  return variable === undefined ? path(said) : (env[variable] ?? "none");
}

/** What the configuration forbids is not tried, whatever the server takes. */
function methodsOf(get: (key: string) => string | undefined): LoginMethod[] {
  const preferred = (get("preferredauthentications") ?? METHODS.join(",")).split(",");
  const kbd = get("kbdinteractiveauthentication") ?? get("challengeresponseauthentication");
  const said = {
    publickey: get("pubkeyauthentication"),
    "keyboard-interactive": kbd,
    password: get("passwordauthentication"),
  };
  return preferred.flatMap((name) => METHODS.filter((method) => method === name && !isNo(said[method])));
}

/** OpenSSH says true and false as well as yes and no; what is unknown asks. */
export function strictOf(value: string | undefined): SshHost["strict"] {
  if (isYes(value)) return "yes";
  if (value === "accept-new") return "accept-new";
  return isNo(value) ? "no" : "ask";
}

/** How many options say that there is nothing. */
export function isNone(value: string): boolean {
  return value.toLowerCase() === "none";
}

function isYes(value: string | undefined): boolean {
  return value === "yes" || value === "true";
}

function isNo(value: string | undefined): boolean {
  return value === "no" || value === "off" || value === "false";
}

function assignment(text: string): [string, string][] {
  const at = text.indexOf("=");
  return at > 0 ? [[text.slice(0, at), unquoted(text.slice(at + 1))]] : [];
}

/** `~/` is the home directory. */
function tilde(path: string, home: string): string {
  return path.startsWith("~/") ? join(home, path.slice(2)) : path;
}
