/** Decides on the key that a host shows, before anything secret is sent to it. */
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { ApiError } from "../../protocol/errors.ts";
import type { Environment } from "../directories.ts";
import type { SshHost } from "./host.ts";
import { type CertificateVerdict, judgeCertificate, parseCertificate } from "./host-certificate.ts";
import { fingerprint, judgeHostKey, rsaBits } from "./host-key.ts";
import {
  hashName,
  hostName,
  type KnownHost,
  keyType,
  knownHostLine,
  parseKnownHosts,
  speaksOf,
} from "./known-hosts.ts";
import { harmless, type Prompter } from "./prompter.ts";
import { isCertificateRevokedBy, isRevokedBy } from "./revoked-keys.ts";
import { quote } from "./shell.ts";

/** All lines of the host's known_hosts files, with the file that each came from. */
export type KnownHostsOf = (KnownHost & { file: string })[];

/** Reads the files that are there. */
export function readKnownHosts(files: readonly string[]): KnownHostsOf {
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) => parseKnownHosts(readFileSync(file, "utf8")).map((entry) => ({ ...entry, file })));
}

/** The names under which a host is looked for: OpenSSH takes a line without the port where none has it. */
export function namesOf(host: SshHost): string[] {
  if (host.hostKeyAlias) return [host.hostKeyAlias.toLowerCase()];
  return [...new Set([hostName(host.host, host.port), hostName(host.host, 22)])];
}

export type VerifyOptions = {
  env: Environment;
  prompter: Prompter;
  acceptNew: boolean;
  /** Asks the host for a certificate, over a connection of its own. */
  certificate(): Promise<Buffer | undefined>;
};

/** Resolves when the key is the host's; asks when it is not known. Throws SSH_HOST_KEY with what to do otherwise. */
export async function verifyHostKey(host: SshHost, key: Buffer, options: VerifyOptions): Promise<void> {
  const names = namesOf(host);
  const name = names[0] as string;
  const known = readKnownHosts(host.knownHosts);
  const judged = judgeHostKey(key, names, known);
  const shown = `${keyType(key)?.replace(/^ssh-/, "")} key ${fingerprint(key)}`;
  if (judged.verdict === "revoked") throw revokedKey(name, shown, placeOf(judged.entry));
  const bits = rsaBits(key);
  if (bits !== undefined && bits < host.leastRsaBits) {
    const how = "a key this short can be forged: its administrators have to make another";
    throw new ApiError("SSH_HOST_KEY", `${name} shows the ${shown} of ${bits} bits, less than RequiredRSASize; ${how}`);
  }
  if (host.revokedHostKeys !== undefined && (await isRevokedBy(host.revokedHostKeys, key, options.env))) {
    throw revokedKey(name, shown, host.revokedHostKeys);
  }
  if (judged.verdict === "trusted") return;
  const vouched = await judgeByAuthority(host, { key, names, known }, options);
  if (vouched?.trusted) return;
  if (judged.verdict === "changed") {
    const file = placeOf(judged.entry);
    // The file that knows it need not be the one that ssh-keygen takes by itself.
    const remove = `ssh-keygen -f ${quote(fileOf(judged.entry))} -R ${quote(name)}`;
    const how = `if its administrators confirm the new key, remove the old one: ${remove}`;
    const known = `${file} knows ${fingerprint(judged.entry.key)}`;
    throw new ApiError("SSH_HOST_KEY", `${name} shows another key than before, the ${shown}; ${known}; ${how}`);
  }
  await decideUnknown(host, { name, shown, doubt: doubtOf(judged.others, vouched) }, options);
  remember(host, name, key);
}

/** Why it may be somebody else: a host whose other keys, or whose authority, are known and that shows none of them. */
function doubtOf(others: readonly string[], vouched: CertificateVerdict | undefined): string {
  if (vouched && !vouched.trusted) return ` (its certificate does not count: ${vouched.why})`;
  return others.length > 0 ? ` (only its ${others.join(", ")} key is known)` : "";
}

function revokedKey(name: string, shown: string, place: string): ApiError {
  const how = "it is known to be stolen or out of use: do not log in before its administrators have given it another";
  return new ApiError("SSH_HOST_KEY", `${name} shows the ${shown}, which ${place} revokes; ${how}`);
}

/** What a certificate says of this very key; undefined where known_hosts names no authority for the host, or it has none. */
async function judgeByAuthority(
  host: SshHost,
  { key, names, known }: { key: Buffer; names: string[]; known: KnownHostsOf },
  { certificate, env }: VerifyOptions,
): Promise<CertificateVerdict | undefined> {
  const isNamed = known.some(
    ({ marker, hosts }) => marker === "cert-authority" && names.some((name) => speaksOf(hosts, name)),
  );
  if (!isNamed) return undefined;
  const shown = await certificate();
  if (!shown) return { trusted: false, why: "known_hosts names an authority for it, and it shows no certificate" };
  try {
    const parsed = parseCertificate(shown);
    if (!parsed.key.equals(key)) return { trusted: false, why: "it is about another key" };
    if (host.revokedHostKeys !== undefined && (await isCertificateRevokedBy(host.revokedHostKeys, shown, env))) {
      return { trusted: false, why: `${host.revokedHostKeys} revokes it, or its authority` };
    }
    const bare = (host.hostKeyAlias ?? host.host).toLowerCase();
    return judgeCertificate(parsed, { names, host: bare, known, nowMs: Date.now() });
  } catch (error) {
    return { trusted: false, why: (error as Error).message };
  }
}

async function decideUnknown(
  host: SshHost,
  { name, shown, doubt }: { name: string; shown: string; doubt: string },
  { prompter, acceptNew }: VerifyOptions,
): Promise<void> {
  const what = harmless(`${name} shows the ${shown}, which is not known${doubt}`);
  if (host.strict === "yes") {
    const how = `compare it with what the site publishes, then add it to ${host.knownHosts[0] ?? "known_hosts"}`;
    throw new ApiError("SSH_HOST_KEY", `${what}, and StrictHostKeyChecking is yes; ${how}`);
  }
  const accepts = acceptNew || host.strict === "accept-new" || host.strict === "no";
  if (accepts && doubt === "") return;
  let answer: string;
  try {
    // One text, so that it is said once where there is nobody to ask.
    answer = await prompter.ask({ text: `${what}.\nIs that its key? Type yes, no or the fingerprint: `, echo: true });
  } catch (cause) {
    const accept = doubt === "" ? "say --accept-new-host-key, or connect once with ssh" : "connect once with ssh";
    throw new ApiError("SSH_HOST_KEY", `${what}; compare it with what the site publishes, then ${accept}`, { cause });
  }
  const said = answer.trim();
  if (said.toLowerCase() !== "yes" && !(said.startsWith("SHA256:") && shown.endsWith(` ${said}`))) {
    throw new ApiError("SSH_HOST_KEY", `the key of ${name} was not accepted`);
  }
}

function remember(host: SshHost, name: string, key: Buffer): void {
  const file = host.knownHosts[0];
  if (file === undefined || file === "none" || file === "/dev/null") return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const broken = existsSync(file) && !/(^|\n)$/.test(readFileSync(file, "utf8"));
  const written = host.hashKnownHosts ? hashName(name, randomBytes(20)) : name;
  appendFileSync(file, `${broken ? "\n" : ""}${knownHostLine(written, key)}`, { mode: 0o600 });
}

function placeOf(entry: KnownHost): string {
  return `${fileOf(entry)}:${entry.line}`;
}

function fileOf(entry: KnownHost): string {
  return (entry as KnownHost & { file?: string }).file ?? "known_hosts";
}
