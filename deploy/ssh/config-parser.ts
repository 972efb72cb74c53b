/** Reads an OpenSSH configuration where there is no `ssh` to ask. Match and Include are refused, not guessed at. */
import { existsSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import { hostOf, type SshHost } from "./host.ts";
import { matchesPattern } from "./known-hosts.ts";

type Asked = {
  env: Environment;
  configFile?: string | undefined;
  user?: string | undefined;
  port?: number | undefined;
};

const STANDARD_KEYS = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/** What the files say of a host, as `ssh -G` would print it. */
export function parseSshConfig(host: string, asked: Asked): SshHost {
  const home = asked.env.HOME || homedir();
  const files = asked.configFile ? [asked.configFile] : [join(home, ".ssh", "config"), "/etc/ssh/ssh_config"];
  const settings = new Map<string, string[]>();
  for (const file of files) if (existsSync(file)) read(readFileSync(file, "utf8"), host, settings);
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
  settings.set("hostname", [(settings.get("hostname")?.[0] ?? host).replaceAll("%h", host)]);
  const answer = [...settings].flatMap(([key, values]) => values.map((value) => `${key} ${value}`)).join("\n");
  return hostOf(host, answer, asked.env);
}

/** Adds what a file says of a host. The first value wins, but identity files add up. */
function read(text: string, host: string, settings: Map<string, string[]>): void {
  let applies = true;
  for (const content of text.split("\n")) {
    const match = /^\s*([A-Za-z]+)\s*(?:=\s*|\s)(.*?)\s*$/.exec(content);
    if (!match || content.trimStart().startsWith("#")) continue;
    const key = match[1]?.toLowerCase() as string;
    const value = match[2] as string;
    if (key === "host") applies = fits(value.split(/\s+/), host);
    else if (key === "match" || key === "include") {
      throw new ApiError(
        "CONFIG_INVALID",
        `the SSH configuration has a ${match[1]} line, which only OpenSSH can read: install ssh, or give --ssh-config`,
      );
    } else if (applies && key === "identityfile")
      settings.set(key, [...new Set([...(settings.get(key) ?? []), value])]);
    else if (applies && !settings.has(key)) settings.set(key, [value]);
  }
}

function fits(patterns: readonly string[], host: string): boolean {
  if (patterns.some((pattern) => pattern.startsWith("!") && matchesPattern(pattern.slice(1), host))) return false;
  return patterns.some((pattern) => !pattern.startsWith("!") && matchesPattern(pattern, host));
}
