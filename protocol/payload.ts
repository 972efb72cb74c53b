/**
 * Values to bytes and back. A value that JSON carries without loss is sent as JSON, which every worker reads natively; all
 * else as CBOR (RFC 8949), with typed arrays, dates, big integers, maps and sets by their registered tags; a lone Uint8Array
 * as raw bytes.
 */
import { Decoder, Encoder } from "cbor-x";
import { ApiError } from "./errors.ts";
import { findUnserialisable, isPlainJson } from "./payload-check.ts";
import type { Encoding } from "./task.ts";

export type EncodedValue = { encoding: Encoding; bytes: Uint8Array };

// structuredClone carries cycles, Map, Set and Error; records are a cbor-x dialect that no other reader knows.
const options = { useRecords: false, tagUint8Array: false, structuredClone: true, mapsAsObjects: true } as const;
const cborEncoder = new Encoder(options);
const cborDecoder = new Decoder(options);
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

/** Encodes a value. Throws NOT_SERIALISABLE, naming the path of what cannot be sent. */
export function encodeValue(value: unknown): EncodedValue {
  if (isPlainJson(value)) return { encoding: "json", bytes: textEncoder.encode(JSON.stringify(value)) };
  if (value instanceof Uint8Array && value.constructor.name !== "Buffer") return { encoding: "raw", bytes: value };
  const problem = findUnserialisable(value);
  if (problem) {
    throw new ApiError("NOT_SERIALISABLE", `${problem.path} is ${problem.what}, which cannot be sent`, {
      details: problem,
    });
  }
  return { encoding: "cbor", bytes: new Uint8Array(cborEncoder.encode(value)) };
}

/** Decodes what `encodeValue`, or a worker in another language, encoded. */
export function decodeValue(encoding: Encoding, bytes: Uint8Array): unknown {
  if (encoding === "json") return JSON.parse(textDecoder.decode(bytes));
  if (encoding === "raw") return bytes;
  return cborDecoder.decode(bytes);
}
