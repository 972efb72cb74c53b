/** Reads an OpenSSH configuration where there is no `ssh` to ask. What it cannot do as OpenSSH does is refused, not guessed at. */
import { existsSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import { type ConfigLine, configLine } from "./config-line.ts";
import { hostOf, isNone, type SshHost } from "./host.ts";
import { matchesPattern } from "./known-hosts.ts";
import { expandTokens } from "./tokens.ts";

type Asked = {
  env: Environment;
  configFile?: string | undefined;
  user?: string | undefined;
  port?: number | undefined;
};

const STANDARD_KEYS = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];
/** Their lines add up; of all others the first counts. */
const LISTS: readonly string[] = ["identityfile", "certificatefile"];
/** Names of old. */
const ALIASES: Readonly<Record<string, string>> = {
  challengeresponseauthentication: "kbdinteractiveauthentication",
  skeyauthentication: "kbdinteractiveauthentication",
  tisauthentication: "kbdinteractiveauthentication",
  dsaauthentication: "pubkeyauthentication",
  protocolkeepalives: "serveraliveinterval",
};
const TIMES: readonly string[] = ["connecttimeout", "serveraliveinterval"];
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** What the files say of a host, as `ssh -G` would print it. */
export function parseSshConfig(host: string, asked: Asked): SshHost {
  const home = asked.env.HOME || homedir();
  const files = asked.configFile ? [asked.configFile] : [join(home, ".ssh", "config"), "/etc/ssh/ssh_config"];
  const settings = new Map<string, string[]>();
  for (const file of files) if (existsSync(file)) read(readFileSync(file, "utf8"), { host, file, settings });
  const set = (key: string, value: string) => settings.has(key) || settings.set(key, [value]);
  if (asked.user) settings.set("user", [asked.user]);
  if (asked.port) settings.set("port", [String(asked.port)]);
  set("hostname", host);
  set("user", asked.env.USER ?? userInfo().username);
  set("userknownhostsfile", `${join(home, ".ssh/known_hosts")} ${join(home, ".ssh/known_hosts2")}`);
  set("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2");
  if (!settings.has("identityfile"))
    settings.set(
      "identityfile",
      STANDARD_KEYS.map((name) => join(home, ".ssh", name)),
    );
  const name = settings.get("hostname")?.[0] as string;
  settings.set("hostname", [expandTokens(name, { h: host }, "HostName").toLowerCase()]);
  const answer = [...settings].flatMap(([key, values]) => values.map((value) => `${key} ${value}`)).join("\n");
  return hostOf(host, answer, asked.env);
}

type Reading = { host: string; file: string; settings: Map<string, string[]> };

/** Adds what a file says of a host. */
function read(text: string, { host, file, settings }: Reading): void {
  let applies = true;
  for (const [index, content] of text.split("\n").entries()) {
    const line = configLine(content);
    if (!line) continue;
    const key = ALIASES[line.key] ?? line.key;
    refuse(key, line, `${file}:${index + 1}`);
    if (key === "host") {
      applies = fits(line.words, host);
      continue;
    }
    if (!applies) continue;
    const values = valuesOf(key, line);
    // A time of `none` is as good as no line: a later one counts.
    if (TIMES.includes(key) && values[0] === "none") continue;
    const known = settings.get(key);
    if (LISTS.includes(key)) settings.set(key, [...new Set([...(known ?? []), ...values])]);
    else if (!known && !isTaken(key, settings)) settings.set(key, values);
  }
}

/** Of ProxyCommand and ProxyJump whichever comes first counts; but `ProxyJump none` leaves the way to a command. */
function isTaken(key: string, settings: Reading["settings"]): boolean {
  if (key === "proxyjump") return settings.has("proxycommand");
  return key === "proxycommand" && !isNone(settings.get("proxyjump")?.[0] ?? "none");
}

function valuesOf(key: string, { words, rest }: ConfigLine): string[] {
  const [first = ""] = words;
  if (key === "proxycommand" || key === "knownhostscommand") return [rest];
  if (key === "setenv") return words;
  if (key.endsWith("knownhostsfile")) return [words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" ")];
  return [TIMES.includes(key) ? secondsOf(first) : first];
}

/** `1m30s` and the like. */
function secondsOf(time: string): string {
  const parts = [...time.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)];
  return parts.length === 0
    ? time
    : String(parts.reduce((sum, [, number, unit]) => sum + Number(number) * (SECONDS[unit || "s"] as number), 0));
}

function refuse(key: string, { words, name }: ConfigLine, place: string): void {
  const mistake =
    key === "match" || key === "include" || (key === "canonicalizehostname" && !/^(no|false)$/.test(words[0] ?? ""))
      ? `has a ${name} line, which only OpenSSH can read`
      : words.length === 0
        ? `has a ${name} line without a value`
        : undefined;
  if (mistake === undefined) return;
  throw new ApiError("CONFIG_INVALID", `${place}: the SSH configuration ${mistake}: install ssh, or give --ssh-config`);
}

function fits(patterns: readonly string[], host: string): boolean {
  if (patterns.some((pattern) => pattern.startsWith("!") && matchesPattern(pattern.slice(1), host))) return false;
  return patterns.some((pattern) => !pattern.startsWith("!") && matchesPattern(pattern, host));
}
