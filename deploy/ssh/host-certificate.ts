/** OpenSSH host certificates: an authority of known_hosts vouches for a host's key. Pure. */
import { createPublicKey, verify } from "node:crypto";
import { type KnownHost, matchesPattern, speaksOf } from "./known-hosts.ts";
import { readWire, type WireReader, wireBytes } from "./wire.ts";

export type HostCertificate = {
  /** the key that is vouched for, as a host without a certificate shows it */
  key: Buffer;
  /** 1: of a user, 2: of a host */
  kind: number;
  id: string;
  principals: string[];
  /** Unix seconds */
  validAfter: bigint;
  validBefore: bigint;
  critical: string[];
  authority: Buffer;
  signed: Buffer;
  signature: Buffer;
};

const SUFFIX = "-cert-v01@openssh.com";
const HOST = 2;
/** How many numbers or points make up a public key of each type. */
const KEY_PARTS: Readonly<Record<string, number>> = {
  "ssh-ed25519": 1,
  "ecdsa-sha2-nistp256": 2,
  "ecdsa-sha2-nistp384": 2,
  "ecdsa-sha2-nistp521": 2,
  "ssh-rsa": 2,
};

/** Whether a key is one with a certificate. */
export function isCertificate(type: string): boolean {
  return type.endsWith(SUFFIX);
}

/** Takes a certificate apart. Throws when it is none of a known type. */
export function parseCertificate(data: Buffer): HostCertificate {
  const reader = readWire(data);
  const type = reader.text();
  const plain = type.slice(0, -SUFFIX.length);
  const parts = isCertificate(type) ? KEY_PARTS[plain] : undefined;
  if (parts === undefined) throw new TypeError(`${type} is no certificate that is known`);
  reader.bytes(); // the nonce
  const key = wireBytes(plain, ...Array.from({ length: parts }, () => reader.bytes()));
  reader.uint64(); // the serial number
  const kind = reader.uint32();
  const id = reader.text();
  const principals = list(readWire(reader.bytes()));
  const validAfter = reader.uint64();
  const validBefore = reader.uint64();
  const critical = pairs(readWire(reader.bytes()));
  reader.bytes(); // extensions
  reader.bytes(); // reserved
  const authority = reader.bytes();
  const signed = data.subarray(0, reader.at);
  const signature = reader.bytes();
  if (!reader.ended) throw new RangeError("something follows the certificate");
  return { key, kind, id, principals, validAfter, validBefore, critical, authority, signed, signature };
}

export type CertificateVerdict = { trusted: true } | { trusted: false; why: string };

/**
 * Judges a certificate for a host. `names` are what known_hosts calls it; `host` is its name without port, which a principal
 * has to fit.
 */
export function judgeCertificate(
  certificate: HostCertificate,
  { names, host, known, nowMs }: { names: readonly string[]; host: string; known: readonly KnownHost[]; nowMs: number },
): CertificateVerdict {
  const no = (why: string): CertificateVerdict => ({ trusted: false, why });
  const entries = known.filter((entry) => names.some((name) => speaksOf(entry.hosts, name)));
  const revoked = entries.some(
    ({ marker, key }) => marker === "revoked" && (key.equals(certificate.authority) || key.equals(certificate.key)),
  );
  if (revoked) return no("known_hosts revokes it, or its authority");
  const isAuthority = entries.some(
    ({ marker, key }) => marker === "cert-authority" && key.equals(certificate.authority),
  );
  if (!isAuthority) return no("its authority is not one that known_hosts names for this host");
  if (certificate.kind !== HOST) return no("it is not one of a host");
  const now = BigInt(Math.floor(nowMs / 1_000));
  if (now < certificate.validAfter) return no("it is not valid yet");
  if (now >= certificate.validBefore) return no("it is not valid any more");
  if (certificate.critical.length > 0)
    return no(`it has conditions that are not known: ${certificate.critical.join(", ")}`);
  // OpenSSH's older versions took an empty list for every host.
  if (!certificate.principals.some((principal) => matchesPattern(principal, host))) {
    return no(`it is for ${certificate.principals.join(", ") || "nobody"}, not for ${host}`);
  }
  return isSigned(certificate) ? { trusted: true } : no("its signature is wrong");
}

/** Whether the authority has signed it. */
export function isSigned({ authority, signed, signature }: HostCertificate): boolean {
  try {
    const reader = readWire(signature);
    const algorithm = reader.text();
    const value = reader.bytes();
    const key = readWire(authority);
    const type = key.text();
    if (type === "ssh-ed25519" && algorithm === type) {
      const jwk = { kty: "OKP", crv: "Ed25519", x: key.bytes().toString("base64url") };
      return verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), value);
    }
    if (type === "ssh-rsa" && RSA_HASHES[algorithm]) {
      const [e, n] = [unsigned(key.bytes()), unsigned(key.bytes())];
      const jwk = { kty: "RSA", e: e.toString("base64url"), n: n.toString("base64url") };
      return verify(RSA_HASHES[algorithm], signed, createPublicKey({ key: jwk, format: "jwk" }), value);
    }
    const curve = CURVES[type];
    if (!curve || algorithm !== type) return false;
    key.bytes(); // the curve's name once more
    const point = key.bytes();
    const x = point.subarray(1, 1 + curve.bytes).toString("base64url");
    const y = point.subarray(1 + curve.bytes).toString("base64url");
    const numbers = readWire(value);
    const joined = Buffer.concat([padded(numbers.bytes(), curve.bytes), padded(numbers.bytes(), curve.bytes)]);
    const publicKey = createPublicKey({ key: { kty: "EC", crv: curve.name, x, y }, format: "jwk" });
    return verify(curve.hash, signed, { key: publicKey, dsaEncoding: "ieee-p1363" }, joined);
  } catch {
    // What is no key, or no signature, has signed nothing.
    return false;
  }
}

/** SHA-1 is not among them, as in OpenSSH. */
const RSA_HASHES: Readonly<Record<string, string>> = { "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512" };
const CURVES: Readonly<Record<string, { name: string; bytes: number; hash: string }>> = {
  "ecdsa-sha2-nistp256": { name: "P-256", bytes: 32, hash: "sha256" },
  "ecdsa-sha2-nistp384": { name: "P-384", bytes: 48, hash: "sha384" },
  "ecdsa-sha2-nistp521": { name: "P-521", bytes: 66, hash: "sha512" },
};

function list(reader: WireReader): string[] {
  const texts: string[] = [];
  while (!reader.ended) texts.push(reader.text());
  return texts;
}

function pairs(reader: WireReader): string[] {
  const names: string[] = [];
  while (!reader.ended) {
    names.push(reader.text());
    reader.bytes();
  }
  return names;
}

function unsigned(number: Buffer): Buffer {
  return number[0] === 0 ? number.subarray(1) : number;
}

function padded(number: Buffer, length: number): Buffer {
  const bare = unsigned(number);
  return Buffer.concat([Buffer.alloc(Math.max(0, length - bare.length)), bare]);
}
