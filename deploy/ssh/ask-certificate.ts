/**
 * Asks a host for its certificate. ssh2 does not speak of certificates, so the beginning of a key exchange is spoken here: what
 * the host shows then is not secret and needs no trust, since it is the authority's signature that counts, and ssh2's own
 * connection proves that the host has the key that it is about.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { isCertificate } from "./host-certificate.ts";
import { readWire, wireBytes } from "./wire.ts";

const KEX_INIT = 20;
const ECDH_INIT = 30;
const ECDH_REPLY = 31;
const DISCONNECT = 1;
const MOST_BYTES = 256 * 1024;
/** Before encryption starts, a packet is filled up to a multiple of this. */
const BLOCK = 8;

/** The certificate for its key of a type that a host shows on a fresh stream, or undefined where it has none. */
export async function askCertificate(
  stream: Duplex,
  { type, timeoutMs }: { type: string; timeoutMs: number },
): Promise<Buffer | undefined> {
  const late = new AbortController();
  try {
    return await Promise.race([
      exchange(stream, type),
      sleep(timeoutMs, undefined, { signal: late.signal }).then(() => undefined),
    ]);
  } catch {
    // A host that ends the connection has no certificate to show.
    return undefined;
  } finally {
    late.abort();
    stream.destroy();
  }
}

async function exchange(stream: Duplex, type: string): Promise<Buffer | undefined> {
  stream.write("SSH-2.0-Farcall\r\n");
  for await (const message of messages(stream)) {
    if (message[0] === KEX_INIT) {
      stream.write(packet(kexInit(type)));
      stream.write(packet(Buffer.concat([Buffer.of(ECDH_INIT), wireBytes(ephemeralKey())])));
    } else if (message[0] === ECDH_REPLY) {
      const key = readWire(message.subarray(1)).bytes();
      return isCertificate(readWire(key).text()) ? key : undefined;
    } else if (message[0] === DISCONNECT) return undefined;
  }
  return undefined;
}

/** The messages of a stream, after the lines that come first. */
async function* messages(stream: Duplex): AsyncGenerator<Buffer> {
  let data = Buffer.alloc(0);
  let greeted = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    data = Buffer.concat([data, chunk]);
    if (data.length > MOST_BYTES) return;
    for (let end = data.indexOf(10); !greeted && end !== -1; end = data.indexOf(10)) {
      greeted = data.toString("latin1", 0, 4) === "SSH-";
      data = data.subarray(end + 1);
    }
    while (greeted && data.length >= 5) {
      const length = data.readUInt32BE();
      if (length < 2 || length > MOST_BYTES) return;
      if (data.length < 4 + length) break;
      yield data.subarray(5, 4 + length - (data[4] as number));
      data = data.subarray(4 + length);
    }
  }
}

function packet(payload: Buffer): Buffer {
  let padding = BLOCK - ((5 + payload.length) % BLOCK);
  if (padding < 4) padding += BLOCK;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padding);
  head[4] = padding;
  return Buffer.concat([head, payload, randomBytes(padding)]);
}

function kexInit(type: string): Buffer {
  const types = type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type];
  const ciphers = "aes128-ctr,aes256-ctr,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com";
  const macs = "hmac-sha2-256,hmac-sha2-512,hmac-sha2-256-etm@openssh.com";
  const names = [
    "curve25519-sha256,curve25519-sha256@libssh.org",
    types.map((name) => `${name}-cert-v01@openssh.com`).join(","),
    ciphers,
    ciphers,
    macs,
    macs,
    "none",
    "none",
    "",
    "",
  ];
  // Neither a guess follows, nor anything that is reserved.
  return Buffer.concat([Buffer.of(KEX_INIT), randomBytes(16), wireBytes(...names), Buffer.alloc(5)]);
}

function ephemeralKey(): Buffer {
  const { publicKey } = generateKeyPairSync("x25519");
  return publicKey.export({ type: "spki", format: "der" }).subarray(-32);
}
