/** Values to CBOR. What cannot be sent is refused, naming its path in the value. */
import { MAX_DEPTH, NdArray, TAG, TYPED_ARRAYS, type TypedArray } from "./cbor-tags.ts";
import { ApiError } from "./errors.ts";

const FIRST_BYTES = 256;
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6 } as const;
const SIMPLE = { false: 0xf4, true: 0xf5, null: 0xf6, undefined: 0xf7, float64: 0xfb } as const;

const textEncoder = new TextEncoder();
const TAG_OF = new Map<unknown, number>([...TYPED_ARRAYS].map(([tag, kind]) => [kind, tag]));

type Writer = {
  bytes: Uint8Array;
  view: DataView;
  offset: number;
  /** where in the value the writer is */
  path: (string | number)[];
  holders: object[];
};

/** Encodes a value; throws NOT_SERIALISABLE. */
export function encodeCbor(value: unknown): Uint8Array {
  const bytes = new Uint8Array(FIRST_BYTES);
  const writer: Writer = { bytes, view: new DataView(bytes.buffer), offset: 0, path: [], holders: [] };
  write(writer, value);
  return writer.bytes.subarray(0, writer.offset);
}

function write(writer: Writer, value: unknown): void {
  switch (typeof value) {
    case "number":
      writeNumber(writer, value);
      break;
    case "string":
      writeText(writer, value);
      break;
    case "boolean":
      writeByte(writer, value ? SIMPLE.true : SIMPLE.false);
      break;
    case "undefined":
      writeByte(writer, SIMPLE.undefined);
      break;
    case "bigint":
      writeBigint(writer, value);
      break;
    case "object":
      if (value === null) writeByte(writer, SIMPLE.null);
      else writeHolder(writer, value);
      break;
    default:
      refuse(writer, `a ${typeof value}`);
  }
}

function writeHolder(writer: Writer, value: object): void {
  if (writer.holders.length >= MAX_DEPTH) refuseDepth(writer);
  writer.holders.push(value);
  if (Array.isArray(value)) writeItems(writer, value);
  else if (ArrayBuffer.isView(value)) writeView(writer, value);
  else writeObject(writer, value);
  writer.holders.pop();
}

function writeObject(writer: Writer, value: object): void {
  if (value instanceof Date) writeDate(writer, value);
  else if (value instanceof Map) writeMap(writer, value);
  else if (value instanceof Set) {
    writeHead(writer, MAJOR.tag, TAG.set);
    writeItems(writer, [...value]);
  } else if (value instanceof ArrayBuffer || isShared(value)) writeBytes(writer, new Uint8Array(value));
  else if (value instanceof NdArray) {
    writeHead(writer, MAJOR.tag, TAG.ndArray);
    writeHead(writer, MAJOR.array, 2);
    writeItems(writer, value.shape);
    writeTyped(writer, value.data);
  } else if (value instanceof Error) {
    writeHead(writer, MAJOR.tag, TAG.object);
    writeItems(writer, [String(value.name), String(value.message)]);
  } else if (isBoxed(value)) write(writer, value.valueOf());
  else writeFields(writer, value);
}

function writeFields(writer: Writer, value: object): void {
  const problem = refusedKind(value);
  if (problem) refuse(writer, problem);
  const other = replacement(writer, value);
  if (other !== value) {
    write(writer, other);
    return;
  }
  const keys = Object.keys(value);
  writeHead(writer, MAJOR.map, keys.length);
  for (const key of keys) {
    writer.path.push(key);
    // A reader that sets it as a property would change the object's prototype.
    if (key === "__proto__") refuse(writer, "a field named __proto__");
    writeText(writer, key);
    let field: unknown;
    try {
      field = (value as Record<string, unknown>)[key];
    } catch (error) {
      refuse(writer, `a getter that throws (${String(error)})`);
    }
    write(writer, field);
    writer.path.pop();
  }
}

/** What `toJSON` says to send instead, as URL and Temporal objects do. */
function replacement(writer: Writer, value: object): unknown {
  try {
    const { toJSON } = value as { toJSON?: unknown };
    return typeof toJSON === "function" ? toJSON.call(value, "") : value;
  } catch (error) {
    return refuse(writer, `an object whose toJSON throws (${String(error)})`);
  }
}

function refusedKind(value: object): string | undefined {
  if (value instanceof Promise) return "a promise (await it first)";
  if (value instanceof RegExp) return "a regular expression (send its source)";
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) return "a weak reference";
  const kind = Object.prototype.toString.call(value);
  if (/Generator\]$|Iterator\]$/.test(kind)) return "an iterator (send an array of its values)";
  return undefined;
}

function writeItems(writer: Writer, items: readonly unknown[]): void {
  writeHead(writer, MAJOR.array, items.length);
  for (let i = 0; i < items.length; i++) {
    writer.path.push(i);
    write(writer, items[i]);
    writer.path.pop();
  }
}

function writeMap(writer: Writer, map: ReadonlyMap<unknown, unknown>): void {
  writeHead(writer, MAJOR.tag, TAG.map);
  writeHead(writer, MAJOR.map, map.size);
  for (const [key, value] of map) {
    writer.path.push(typeof key === "object" ? "(key)" : String(key));
    write(writer, key);
    write(writer, value);
    writer.path.pop();
  }
}

function writeDate(writer: Writer, date: Date): void {
  writeHead(writer, MAJOR.tag, TAG.dateSeconds);
  writeNumber(writer, date.getTime() / 1000);
}

function writeView(writer: Writer, value: ArrayBufferView): void {
  if (value instanceof Uint8Array || value instanceof DataView) {
    writeBytes(writer, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else writeTyped(writer, value as TypedArray);
}

function writeTyped(writer: Writer, value: TypedArray): void {
  const tag = value instanceof Uint8Array ? 64 : TAG_OF.get(value.constructor);
  if (tag === undefined) refuse(writer, `a ${value.constructor.name}`);
  writeHead(writer, MAJOR.tag, tag);
  writeBytes(writer, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}

function writeNumber(writer: Writer, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0) writeHead(writer, MAJOR.unsigned, value);
    else writeHead(writer, MAJOR.negative, -1 - value);
    return;
  }
  reserve(writer, 9);
  writer.bytes[writer.offset] = SIMPLE.float64;
  writer.view.setFloat64(writer.offset + 1, value);
  writer.offset += 9;
}

/** Always as a bignum, so that a bigint comes back as one, however small. */
function writeBigint(writer: Writer, value: bigint): void {
  writeHead(writer, MAJOR.tag, value < 0n ? TAG.negativeBigint : TAG.bigint);
  const magnitude = value < 0n ? -1n - value : value;
  const hex = magnitude === 0n ? "" : magnitude.toString(16);
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  writeBytes(
    writer,
    Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)),
  );
}

function writeText(writer: Writer, text: string): void {
  const { length } = text;
  if (length < 24) {
    reserve(writer, length + 1);
    const { bytes, offset } = writer;
    let i = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      bytes[offset + 1 + i] = code;
    }
    if (i === length) {
      bytes[offset] = (MAJOR.text << 5) | length;
      writer.offset += length + 1;
      return;
    }
  }
  if (!text.isWellFormed()) refuse(writer, "text with half of a surrogate pair, which UTF-8 cannot carry");
  const encoded = textEncoder.encode(text);
  writeHead(writer, MAJOR.text, encoded.length);
  append(writer, encoded);
}

function writeBytes(writer: Writer, bytes: Uint8Array): void {
  writeHead(writer, MAJOR.bytes, bytes.length);
  append(writer, bytes);
}

function append(writer: Writer, bytes: Uint8Array): void {
  reserve(writer, bytes.length);
  writer.bytes.set(bytes, writer.offset);
  writer.offset += bytes.length;
}

function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1);
  writer.bytes[writer.offset++] = byte;
}

function writeHead(writer: Writer, major: number, value: number): void {
  reserve(writer, 9);
  const { bytes, view, offset } = writer;
  if (value < 24) {
    bytes[offset] = (major << 5) | value;
    writer.offset += 1;
  } else if (value < 0x100) {
    bytes[offset] = (major << 5) | 24;
    bytes[offset + 1] = value;
    writer.offset += 2;
  } else if (value < 0x1_0000) {
    bytes[offset] = (major << 5) | 25;
    view.setUint16(offset + 1, value);
    writer.offset += 3;
  } else if (value < 0x1_0000_0000) {
    bytes[offset] = (major << 5) | 26;
    view.setUint32(offset + 1, value);
    writer.offset += 5;
  } else {
    bytes[offset] = (major << 5) | 27;
    view.setUint32(offset + 1, Math.floor(value / 0x1_0000_0000));
    view.setUint32(offset + 5, value % 0x1_0000_0000);
    writer.offset += 9;
  }
}

function reserve(writer: Writer, count: number): void {
  const needed = writer.offset + count;
  if (needed <= writer.bytes.length) return;
  const grown = new Uint8Array(Math.max(needed, writer.bytes.length * 2));
  grown.set(writer.bytes.subarray(0, writer.offset));
  writer.bytes = grown;
  writer.view = new DataView(grown.buffer);
}

function isShared(value: object): value is SharedArrayBuffer {
  return typeof SharedArrayBuffer !== "undefined" && value instanceof SharedArrayBuffer;
}

function isBoxed(value: object): boolean {
  return value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt;
}

function refuseDepth(writer: Writer): never {
  const seen = new Set<object>();
  const again = writer.holders.findIndex((holder) => seen.size === seen.add(holder).size);
  if (again < 0) refuse(writer, `nested deeper than ${MAX_DEPTH} levels`);
  // The first place at which a holder comes again, not where the writer gave up.
  writer.path.length = Math.min(writer.path.length, again);
  return refuse(writer, "a cycle");
}

function refuse(writer: Writer, what: string): never {
  const path = `value${writer.path.map(segment).join("")}`;
  throw new ApiError("NOT_SERIALISABLE", `${path} is ${what}, which cannot be sent`, { details: { path, what } });
}

function segment(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
