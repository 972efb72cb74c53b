/** Whether a host's key is the one that known_hosts says. Pure. */
import { createHash } from "node:crypto";
import { type KnownHost, keyType, speaksOf } from "./known-hosts.ts";
import { readWire } from "./wire.ts";

export type HostKeyVerdict =
  | { verdict: "trusted" }
  | { verdict: "revoked"; entry: KnownHost }
  /** another key of that type is known: the host was reinstalled, or this is somebody else */
  | { verdict: "changed"; entry: KnownHost }
  /** `others`: types of keys that are known of this host */
  | { verdict: "unknown"; others: string[] };

/** Judges a plain key. `names` are the host's names, best first: the later ones count when no line speaks of the earlier. */
export function judgeHostKey(key: Buffer, names: readonly string[], known: readonly KnownHost[]): HostKeyVerdict {
  const spoken = names.map((name) => known.filter((entry) => speaksOf(entry.hosts, name)));
  const revoked = spoken.flat().find((entry) => entry.marker === "revoked" && entry.key.equals(key));
  if (revoked) return { verdict: "revoked", entry: revoked };
  const plain = spoken.map((entries) => entries.filter((entry) => entry.marker === undefined));
  const own = plain[0] ?? [];
  if (
    plain.some((entries, rank) => (rank === 0 || own.length === 0) && entries.some((entry) => entry.key.equals(key)))
  ) {
    return { verdict: "trusted" };
  }
  const type = keyType(key);
  const changed = own.find((entry) => entry.type === type);
  if (changed) return { verdict: "changed", entry: changed };
  return { verdict: "unknown", others: [...new Set(own.map((entry) => entry.type))] };
}

/** The key types that known_hosts has of a host: to be asked for first, or a host with several keys seems to be another. */
export function knownTypes(names: readonly string[], known: readonly KnownHost[]): string[] {
  const own = known.filter((entry) => entry.marker === undefined && names.some((name) => speaksOf(entry.hosts, name)));
  return [...new Set(own.map((entry) => entry.type))];
}

/** `SHA256:…`, as ssh and ssh-keygen show it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** How long an RSA key is; undefined for other types. Throws for what is cut short. */
export function rsaBits(key: Buffer): number | undefined {
  if (keyType(key) !== "ssh-rsa") return undefined;
  const reader = readWire(key);
  reader.bytes(); // the type
  reader.bytes(); // the exponent
  const modulus = BigInt(`0x0${reader.bytes().toString("hex")}`);
  return modulus.toString(2).length;
}
