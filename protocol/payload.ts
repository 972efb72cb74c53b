/**
 * Values to bytes and back. A value that JSON carries without loss is sent as JSON, which every worker reads natively; all
 * else as CBOR, with typed arrays, dates, big integers, maps and sets by their registered tags; a lone Uint8Array as raw bytes.
 */
import { decodeCbor } from "./cbor-decode.ts";
import { encodeCbor } from "./cbor-encode.ts";
import { isPlainJson } from "./payload-check.ts";
import type { Encoding } from "./task.ts";

export { NdArray } from "./cbor-tags.ts";

export type EncodedValue = { encoding: Encoding; bytes: Uint8Array };

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();
/** What most functions that are called for their effect return. */
const UNDEFINED = 0xf7;

/** Encodes a value. Throws NOT_SERIALISABLE, naming the path of what cannot be sent. */
export function encodeValue(value: unknown): EncodedValue {
  if (value === undefined) return { encoding: "cbor", bytes: Uint8Array.of(UNDEFINED) };
  if (isPlainJson(value)) return { encoding: "json", bytes: textEncoder.encode(JSON.stringify(value)) };
  if (value instanceof Uint8Array) return { encoding: "raw", bytes: value };
  return { encoding: "cbor", bytes: encodeCbor(value) };
}

/** Decodes what `encodeValue`, or a worker in another language, encoded. */
export function decodeValue(encoding: Encoding, bytes: Uint8Array): unknown {
  if (encoding === "json") return JSON.parse(textDecoder.decode(bytes));
  if (encoding === "cbor") return decodeCbor(bytes);
  // Not a Buffer, whatever the transport made it.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
