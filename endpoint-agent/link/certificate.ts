/**
 * The agent's own certificate: managers know it by its fingerprint, so nothing but its key matters. Node can make keys and
 * signatures but no certificates; the little DER that one needs is written here.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";

/** What a TLS server needs, and what its clients pin: the SHA-256 of the certificate's DER in hex. */
export type Identity = { key: string; cert: string; fingerprint: string };

/** Reads the identity kept in a 0600 file, or makes it: managers that outlive the agent must find it unchanged. */
export function keepIdentity(path: string): Identity {
  if (!existsSync(path)) {
    const { key, cert } = makeIdentity();
    writeFileSync(`${path}.new`, key + cert, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} can be read by others; expected mode 0600`);
  const text = readFileSync(path, "utf8");
  const start = text.indexOf("-----BEGIN CERTIFICATE-----");
  const [key, cert] = [text.slice(0, start), text.slice(start)];
  return { key, cert, fingerprint: fingerprintOf(new X509Certificate(cert).raw) };
}

/** A new P-256 key with a certificate that it signs itself and that does not expire. */
export function makeIdentity(): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(set(sequence(oid("550403"), utf8("farcall agent"))));
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const serial = randomBytes(16);
  // An INTEGER whose first bit is set would be negative, and one that begins with zeros is not DER.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  const body = sequence(
    element(0x02, serial),
    algorithm,
    name,
    // Clocks of compute nodes may be years off. The end is RFC 5280's for "never".
    sequence(element(0x17, Buffer.from("000101000000Z")), element(0x18, Buffer.from("99991231235959Z"))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = sign("sha256", body, privateKey);
  const der = sequence(body, algorithm, element(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g) as string[];
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    fingerprint: fingerprintOf(der),
  };
}

/** The fingerprint of a certificate's DER. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: Uint8Array[]) => element(0x30, Buffer.concat(parts));
const set = (...parts: Uint8Array[]) => element(0x31, Buffer.concat(parts));
const oid = (hex: string) => element(0x06, Buffer.from(hex, "hex"));
const utf8 = (text: string) => element(0x0c, Buffer.from(text));
