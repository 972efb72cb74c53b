/**
 * The part of CBOR (RFC 8949) that Farcall uses beyond plain data, by registered tags. endpoint-agent/worker/farcall_cbor.py
 * has the same table; test/fixtures/payloads holds the values that both must agree on.
 */

export const TAG = {
  dateText: 0,
  dateSeconds: 1,
  bigint: 2,
  negativeBigint: 3,
  /** [name, message] of an exception */
  object: 27,
  /** RFC 8746: [dimensions, elements in row-major order] */
  ndArray: 40,
  set: 258,
  map: 259,
  /** RFC 8943: a day without time, as text */
  day: 1004,
  selfDescribed: 55_799,
} as const;

export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

type TypedArrayConstructor = { new (buffer: ArrayBuffer): TypedArray; BYTES_PER_ELEMENT: number };

/** RFC 8746, little-endian; the big-endian tags are these less 4. Half floats become Float32Array. */
export const TYPED_ARRAYS: ReadonlyMap<number, TypedArrayConstructor> = new Map<number, TypedArrayConstructor>([
  [64, Uint8Array],
  [68, Uint8ClampedArray],
  [69, Uint16Array],
  [70, Uint32Array],
  [71, BigUint64Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [79, BigInt64Array],
  [85, Float32Array],
  [86, Float64Array],
]);

/** Tags of half floats, big- and little-endian. */
export const HALF_FLOATS = { big: 80, little: 84 } as const;

/** Nesting above this is refused: other languages' readers are recursive. */
export const MAX_DEPTH = 500;

/** An array of several dimensions, as numpy has them: `data` is row-major. */
export class NdArray {
  readonly shape: readonly number[];
  readonly data: TypedArray;

  constructor(shape: readonly number[], data: TypedArray) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (size !== data.length)
      throw new RangeError(`shape ${shape.join("x")} needs ${size} elements, not ${data.length}`);
    this.shape = shape;
    this.data = data;
  }
}
