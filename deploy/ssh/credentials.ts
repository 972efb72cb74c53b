/** What there is to log in with: the agent's keys and key files. */
import { existsSync, readFileSync, statSync } from "node:fs";
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
  const named = host.identityFiles.flatMap((file) => publicKeyOf(file));
  const held = await agentKeys(host, { ssh2, env });
  const isNamed = ({ key }: { key: ParsedKey }) => named.some((other) => other.equals(key.getPublicSSH()));
  const first = held.filter(isNamed);
  const heldKeys = new Set(first.map(({ key }) => key.getPublicSSH().toString("base64")));
  const rest = host.identitiesOnly ? [] : held.filter((key) => !isNamed(key));
  const own = files.filter((file) => !publicKeyOf(file).some((key) => heldKeys.has(key.toString("base64"))));
  return [...first, ...own.map((name) => ({ type: "file" as const, name })), ...rest];
}

/** As ssh has it: nobody is locked out by a passphrase. */
const PASSPHRASE_TRIES = 3;

/** The private key of a file, asking for its passphrase if it has one; or why it cannot be used. */
export async function readKeyFile(
  name: string,
  { ssh2, prompter }: { ssh2: Ssh2; prompter: Prompter },
): Promise<ParsedKey | string> {
  let text: Buffer;
  try {
    const { mode, uid } = statSync(name);
    // A key that others have read is theirs, too.
    if ((mode & 0o077) !== 0 && uid === process.getuid?.()) return `others may read it; chmod 600 ${name}`;
    text = readFileSync(name);
  } catch (error) {
    return (error as Error).message;
  }
  const { parseKey } = ssh2.utils;
  let key = parseKey(text);
  for (let tries = 0; isLocked(key); tries++) {
    if (tries === PASSPHRASE_TRIES) return "its passphrase was wrong";
    if (prompter.unattended) return "it has a passphrase, and there is nobody to ask; ssh-add gives it to an agent";
    let passphrase: string;
    try {
      passphrase = await prompter.ask({ text: `Passphrase of ${name}: `, echo: false });
    } catch (error) {
      return `it has a passphrase: ${(error as Error).message}`;
    }
    if (passphrase === "") return "its passphrase was not typed";
    key = parseKey(text, passphrase);
  }
  const one = Array.isArray(key) ? key[0] : key;
  if (one === undefined || one instanceof Error) return one?.message ?? "it holds no key";
  return one.isPrivateKey() ? one : "it holds no private key, and no agent has it";
}

function isLocked(key: ParsedKey | ParsedKey[] | Error): boolean {
  return key instanceof Error && /encrypted|passphrase|bad decrypt|integrity check/i.test(key.message);
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

/** The key that a file names: its own where it is a public one, as for keys that an agent alone has, else that beside it. */
function publicKeyOf(file: string): Buffer[] {
  for (const path of [file, `${file}.pub`]) {
    try {
      const base64 = /^(?:ssh|ecdsa|sk)-\S+ ([A-Za-z0-9+/=]+)/.exec(readFileSync(path, "utf8"))?.[1];
      if (base64 !== undefined) return [Buffer.from(base64, "base64")];
    } catch {
      // Not there, or not to be read: it names nothing.
    }
  }
  return [];
}
