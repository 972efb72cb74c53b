/** The certificate that the gateway shows: read from files, and read again when they change. */
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { ApiError } from "../../protocol/errors.ts";

/** Where certificate (with its chain) and key are, in PEM. */
export type TlsFiles = { cert: string; key: string };

/** What they hold. */
export type TlsPair = { cert: Buffer; key: Buffer };

/** Reads both. Throws CONFIG_INVALID when one cannot be read or they do not belong together. */
export async function readTlsPair(files: TlsFiles): Promise<TlsPair> {
  const [cert, key] = await Promise.all([read("cert", files.cert), read("key", files.key)]);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const message = `tls.cert ${files.cert} and tls.key ${files.key} are no certificate and its key: ${(cause as Error).message}`;
    throw new ApiError("CONFIG_INVALID", message, { cause });
  }
  return { cert, key };
}

/** Whether two pairs are the same to the byte. */
export function isSamePair(a: TlsPair, b: TlsPair): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key);
}

function read(field: "cert" | "key", file: string): Promise<Buffer> {
  return readFile(file).catch((cause: Error) => {
    throw new ApiError("CONFIG_INVALID", `tls.${field} cannot be read: ${cause.message}`, { cause });
  });
}
