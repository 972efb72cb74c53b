/** What there is to log in with: the agent's keys and key files. */
import { existsSync, readFileSync } from "node:fs";
import type { KnownPublicKeys, ParsedKey } from "ssh2";
import type { Environment } from "../directories.ts";
import type { Credential } from "./auth-order.ts";
import type { SshHost } from "./host.ts";
import type { Prompter } from "./prompter.ts";
import type { Ssh2 } from "./ssh2.ts";

/** A credential and how it signs. */
export type LoginKey = Credential & ({ type: "agent"; key: ParsedKey; socket: string } | { type: "file" });

/** The keys for a host, likely ones first: those of the agent that the configuration names, its files, the agent's others. */
export async function keysFor(host: SshHost, options: { ssh2: Ssh2; env: Environment }): Promise<LoginKey[]> {
  const { ssh2, env } = options;
  const files = host.identityFiles.filter((file) => existsSync(file));
  const named = host.identityFiles.flatMap((file) => publicKeyOf(file, ssh2));
  const held = await agentKeys(host, { ssh2, env });
  const isNamed = ({ key }: { key: ParsedKey }) => named.some((other) => other.equals(key.getPublicSSH()));
  const first = held.filter(isNamed);
  const heldKeys = new Set(first.map(({ key }) => key.getPublicSSH().toString("base64")));
  const rest = host.identitiesOnly ? [] : held.filter((key) => !isNamed(key));
  const own = files.filter((file) => !publicKeyOf(file, ssh2).some((key) => heldKeys.has(key.toString("base64"))));
  return [...first, ...own.map((name) => ({ type: "file" as const, name })), ...rest];
}

/** The private key of a file; asks for its passphrase if it has one. Undefined when it cannot be used. */
export async function readKeyFile(
  name: string,
  { ssh2, prompter }: { ssh2: Ssh2; prompter: Prompter },
): Promise<ParsedKey | undefined> {
  const text = readFileSync(name);
  const { parseKey } = ssh2.utils;
  let key = parseKey(text);
  if (key instanceof Error && /encrypted|passphrase/i.test(key.message)) {
    const passphrase = await prompter.ask({ text: `Passphrase of ${name}: `, echo: false }).catch(() => "");
    if (passphrase === "") return undefined;
    key = parseKey(text, passphrase);
  }
  const one = Array.isArray(key) ? key[0] : key;
  if (one === undefined || one instanceof Error || !one.isPrivateKey()) {
    prompter.show(`${name} is not used: ${one instanceof Error ? one.message : "it holds no private key"}`);
    return undefined;
  }
  return one;
}

async function agentKeys(
  host: SshHost,
  { ssh2, env }: { ssh2: Ssh2; env: Environment },
): Promise<Extract<LoginKey, { type: "agent" }>[]> {
  const socket = host.identityAgent ?? env.SSH_AUTH_SOCK;
  if (!socket || socket === "none") return [];
  const agent = ssh2.createAgent(socket);
  const keys = await new Promise<KnownPublicKeys>((resolve) => {
    // An agent that is not there is as good as one without keys.
    agent.getIdentities((error, found) => resolve(error ? [] : (found ?? [])));
  });
  return keys.flatMap((found) => {
    const key = ssh2.utils.parseKey(found as Buffer);
    if (key instanceof Error) return [];
    return [{ type: "agent" as const, key, socket, name: `${key.comment || key.type} (agent)` }];
  });
}

function publicKeyOf(file: string, ssh2: Ssh2): Buffer[] {
  const path = `${file}.pub`;
  if (!existsSync(path)) return [];
  const key = ssh2.utils.parseKey(readFileSync(path));
  return key instanceof Error ? [] : [key.getPublicSSH()];
}
