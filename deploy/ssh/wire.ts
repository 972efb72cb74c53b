/** The encoding of SSH: lengths of four bytes before each text (RFC 4251). Pure. */

export type WireReader = {
  /** Reads the next text. Throws when there are not enough bytes. */
  bytes(): Buffer;
  text(): string;
  uint32(): number;
  uint64(): bigint;
  /** where the next read begins */
  readonly at: number;
  readonly ended: boolean;
};

/** Reads a message from its beginning. */
export function readWire(data: Buffer): WireReader {
  let at = 0;
  const take = (length: number) => {
    if (at + length > data.length) throw new RangeError("the message is cut short");
    const part = data.subarray(at, at + length);
    at += length;
    return part;
  };
  const bytes = () => take(take(4).readUInt32BE());
  return {
    bytes,
    text: () => bytes().toString("utf8"),
    uint32: () => take(4).readUInt32BE(),
    uint64: () => take(8).readBigUInt64BE(),
    get at() {
      return at;
    },
    get ended() {
      return at === data.length;
    },
  };
}

/** Texts with their lengths, one after the other. */
export function wireBytes(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}
