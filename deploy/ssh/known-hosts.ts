/** The known_hosts format: which lines speak of a host. Pure. */
import { createHmac, timingSafeEqual } from "node:crypto";

/** One line of a known_hosts file. */
export type KnownHost = {
  marker: "revoked" | "cert-authority" | undefined;
  /** host names, patterns and negations joined by commas, or one hashed name */
  hosts: string;
  type: string;
  /** the public key, or that of the authority */
  key: Buffer;
  /** counted from 1 */
  line: number;
};

/** Reads a file's text; lines that make no sense are left out, as OpenSSH does. */
export function parseKnownHosts(text: string): KnownHost[] {
  return text.split("\n").flatMap((content, index) => {
    const fields = content.trim().split(/\s+/);
    if (fields[0] === "" || fields[0]?.startsWith("#")) return [];
    const marker = fields[0]?.startsWith("@") ? fields.shift()?.slice(1) : undefined;
    if (marker !== undefined && marker !== "revoked" && marker !== "cert-authority") return [];
    const [hosts, type, base64] = fields;
    if (hosts === undefined || type === undefined || base64 === undefined) return [];
    const key = Buffer.from(base64, "base64");
    return keyType(key) === type ? [{ marker, hosts, type, key, line: index + 1 }] : [];
  });
}

/** The line that makes a key known, as it is appended to the file. */
export function knownHostLine(name: string, key: Buffer): string {
  return `${name} ${keyType(key)} ${key.toString("base64")}\n`;
}

/** How a host is called in known_hosts. */
export function hostName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Whether a line speaks of a host: one of its patterns fits and none of its negations. */
export function speaksOf(hosts: string, name: string): boolean {
  if (hosts.startsWith("|1|")) return isHashOf(hosts, name.toLowerCase());
  let fits = false;
  for (const pattern of hosts.split(",")) {
    const negated = pattern.startsWith("!");
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    fits = true;
  }
  return fits;
}

/** `*` stands for any text and `?` for one character, in a pattern of a host name. */
export function matchesPattern(pattern: string, name: string): boolean {
  const text = name.toLowerCase();
  const wanted = pattern.toLowerCase();
  // Two positions and the last star suffice: a pattern from a file must not cost exponential time.
  let at = 0;
  let star = -1;
  let mark = 0;
  let next = 0;
  while (at < text.length) {
    if (next < wanted.length && (wanted[next] === "?" || wanted[next] === text[at]) && wanted[next] !== "*") {
      at++;
      next++;
    } else if (wanted[next] === "*") {
      star = next++;
      mark = at;
    } else if (star !== -1) {
      next = star + 1;
      at = ++mark;
    } else return false;
  }
  while (wanted[next] === "*") next++;
  return next === wanted.length;
}

/** A hashed name as `ssh-keygen -H` writes it. */
export function hashName(name: string, salt: Buffer): string {
  const hash = createHmac("sha1", salt).update(name.toLowerCase()).digest();
  return `|1|${salt.toString("base64")}|${hash.toString("base64")}`;
}

/** The type that a public key names itself; undefined for what is none. */
export function keyType(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  if (length > 64 || key.length < 4 + length) return undefined;
  return key.toString("latin1", 4, 4 + length);
}

function isHashOf(hosts: string, name: string): boolean {
  const [, , salt, hash] = hosts.split("|");
  if (salt === undefined || hash === undefined) return false;
  const own = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  const given = Buffer.from(hash, "base64");
  return own.length === given.length && timingSafeEqual(own, given);
}
