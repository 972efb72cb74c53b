/** CBOR to values. Takes whatever well-formed CBOR another language wrote, with the tags of cbor-tags.ts. */
import { HALF_FLOATS, MAX_DEPTH, NdArray, TAG, TYPED_ARRAYS, type TypedArray } from "./cbor-tags.ts";
import { ApiError } from "./errors.ts";

const MAJOR_BYTES = 2;
const MAJOR_TEXT = 3;
const BREAK = 0xff;
const SHORT_TEXT = 24;
const MIN_TYPED_TAG = 64;
const MAX_TYPED_TAG = 87;

const textDecoder = new TextDecoder("utf-8", { fatal: true });

type Reader = { bytes: Uint8Array; view: DataView; offset: number; depth: number };

/** Decodes exactly one value; throws BAD_FRAME when the bytes are not one. */
export function decodeCbor(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader: Reader = { bytes, view, offset: 0, depth: 0 };
  let value: unknown;
  try {
    value = read(reader);
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    throw bad(reader, cause instanceof RangeError ? "is cut short" : `is wrong (${String(cause)})`, cause);
  }
  if (reader.offset !== bytes.length) throw bad(reader, "is followed by more");
  return value;
}

function read(reader: Reader): unknown {
  const head = reader.view.getUint8(reader.offset++);
  const info = head & 0x1f;
  switch (head >> 5) {
    case 0:
      return readUnsigned(reader, info);
    case 1: {
      const value = readUnsigned(reader, info);
      return typeof value === "bigint"
        ? -1n - value
        : value < Number.MAX_SAFE_INTEGER
          ? -1 - value
          : -1n - BigInt(value);
    }
    case MAJOR_BYTES:
      return readBytes(reader, info);
    case MAJOR_TEXT:
      return readText(reader, info);
    case 4:
      return nested(reader, () => readArray(reader, info));
    case 5:
      return nested(reader, () => readMap(reader, info));
    case 6:
      return nested(reader, () => readTagged(reader, readLength(reader, info)));
    default:
      return readSimple(reader, info);
  }
}

function nested<T>(reader: Reader, inner: () => T): T {
  // Tags and their content count as two levels here, as one in the value.
  if (++reader.depth > 2 * MAX_DEPTH) throw bad(reader, `is nested deeper than ${MAX_DEPTH} levels`);
  const value = inner();
  reader.depth--;
  return value;
}

function readUnsigned(reader: Reader, info: number): number | bigint {
  const { view, offset } = reader;
  if (info < 24) return info;
  if (info === 24) {
    reader.offset += 1;
    return view.getUint8(offset);
  }
  if (info === 25) {
    reader.offset += 2;
    return view.getUint16(offset);
  }
  if (info === 26) {
    reader.offset += 4;
    return view.getUint32(offset);
  }
  if (info !== 27) throw bad(reader, "has a length of no known kind");
  reader.offset += 8;
  const value = view.getUint32(offset) * 0x1_0000_0000 + view.getUint32(offset + 4);
  return value <= Number.MAX_SAFE_INTEGER ? value : view.getBigUint64(offset);
}

function readLength(reader: Reader, info: number): number {
  const length = readUnsigned(reader, info);
  if (typeof length === "bigint") throw bad(reader, "announces more than there can be");
  return length;
}

function take(reader: Reader, length: number): Uint8Array {
  const end = reader.offset + length;
  if (end > reader.bytes.length) throw bad(reader, "is cut short");
  const part = reader.bytes.subarray(reader.offset, end);
  reader.offset = end;
  return part;
}

/** The chunks of a string of unknown length. */
function chunks(reader: Reader, major: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const head = reader.view.getUint8(reader.offset++);
    if (head === BREAK) break;
    if (head >> 5 !== major || (head & 0x1f) === 31) throw bad(reader, "has a chunk of another kind");
    const part = take(reader, readLength(reader, head & 0x1f));
    parts.push(part);
    length += part.length;
  }
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** A copy: a view would keep the whole message alive, and typed arrays need their alignment. */
function readBytes(reader: Reader, info: number): Uint8Array {
  if (info === 31) return chunks(reader, MAJOR_BYTES);
  return new Uint8Array(take(reader, readLength(reader, info)));
}

function readText(reader: Reader, info: number): string {
  const bytes = info === 31 ? chunks(reader, MAJOR_TEXT) : take(reader, readLength(reader, info));
  if (bytes.length < SHORT_TEXT) {
    let text = "";
    let i = 0;
    for (; i < bytes.length && (bytes[i] as number) < 0x80; i++) text += String.fromCharCode(bytes[i] as number);
    if (i === bytes.length) return text;
  }
  return textDecoder.decode(bytes);
}

function* items(reader: Reader, info: number): Generator<undefined> {
  if (info === 31) {
    for (; reader.view.getUint8(reader.offset) !== BREAK; ) yield;
    reader.offset++;
    return;
  }
  const length = readLength(reader, info);
  for (let i = 0; i < length; i++) yield;
}

function readArray(reader: Reader, info: number): unknown[] {
  const array: unknown[] = [];
  if (info === 31) for (const _ of items(reader, info)) array.push(read(reader));
  else {
    const length = readLength(reader, info);
    for (let i = 0; i < length; i++) array.push(read(reader));
  }
  return array;
}

function readMap(reader: Reader, info: number): unknown {
  const entries: [unknown, unknown][] = [];
  let plain = true;
  for (const _ of items(reader, info)) {
    const key = read(reader);
    plain &&= typeof key === "string";
    entries.push([key, read(reader)]);
  }
  if (!plain) return new Map(entries);
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries as [string, unknown][]) {
    if (key === "__proto__")
      Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
    else object[key] = value;
  }
  return object;
}

function readTagged(reader: Reader, tag: number): unknown {
  if (tag === TAG.map) {
    const head = reader.view.getUint8(reader.offset++);
    if (head >> 5 !== 5) throw bad(reader, "has no map behind the tag of one");
    const map = new Map<unknown, unknown>();
    for (const _ of items(reader, head & 0x1f)) map.set(read(reader), read(reader));
    return map;
  }
  const value = read(reader);
  if (tag >= MIN_TYPED_TAG && tag <= MAX_TYPED_TAG) return typedArray(reader, tag, value);
  switch (tag) {
    case TAG.dateText:
      return new Date(String(value));
    case TAG.dateSeconds:
      return new Date(Math.round(Number(value) * 1000));
    case TAG.bigint:
      return bigint(reader, value);
    case TAG.negativeBigint:
      return -1n - bigint(reader, value);
    case TAG.set:
      return new Set(arrayOf(reader, value));
    case TAG.object:
      return errorOf(arrayOf(reader, value));
    case TAG.ndArray: {
      const [shape, data] = arrayOf(reader, value);
      return new NdArray(arrayOf(reader, shape) as number[], data as TypedArray);
    }
    case TAG.day:
    case TAG.selfDescribed:
      return value;
    default:
      throw bad(reader, `has the tag ${tag}, which is not known here`);
  }
}

function arrayOf(reader: Reader, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw bad(reader, "has no array behind the tag of one");
  return value;
}

function bytesOf(reader: Reader, value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw bad(reader, "has no bytes behind a tag of them");
  return value;
}

function bigint(reader: Reader, value: unknown): bigint {
  let hex = "";
  for (const byte of bytesOf(reader, value)) hex += byte.toString(16).padStart(2, "0");
  return hex === "" ? 0n : BigInt(`0x${hex}`);
}

function errorOf([name, message]: unknown[]): Error {
  const error = new Error(String(message));
  error.name = String(name);
  return error;
}

function typedArray(reader: Reader, tag: number, value: unknown): TypedArray {
  const bytes = bytesOf(reader, value);
  if (tag === HALF_FLOATS.big || tag === HALF_FLOATS.little) return halfFloats(bytes, tag === HALF_FLOATS.little);
  const little = TYPED_ARRAYS.get(tag);
  const kind = little ?? TYPED_ARRAYS.get(tag + 4);
  if (!kind) throw bad(reader, `has the tag ${tag}, which is not known here`);
  const size = kind.BYTES_PER_ELEMENT;
  if (bytes.length % size !== 0) throw bad(reader, "has a typed array that ends in the middle of an element");
  if (!little) for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
  return new kind(bytes.buffer as ArrayBuffer);
}

function halfFloats(bytes: Uint8Array, littleEndian: boolean): Float32Array {
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => halfFloat(view.getUint16(2 * i, littleEndian)));
}

function halfFloat(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function readSimple(reader: Reader, info: number): unknown {
  const { view, offset } = reader;
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    case 23:
      return undefined;
    case 25:
      reader.offset += 2;
      return halfFloat(view.getUint16(offset));
    case 26:
      reader.offset += 4;
      return view.getFloat32(offset);
    case 27:
      reader.offset += 8;
      return view.getFloat64(offset);
    default:
      throw bad(reader, `has the simple value ${info}, which is not known here`);
  }
}

function bad(reader: Reader, what: string, cause?: unknown): ApiError {
  return new ApiError("BAD_FRAME", `the CBOR value ${what}, at byte ${reader.offset}`, { cause });
}
