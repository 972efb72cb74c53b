/** Captures what tasks write to one stream of a worker: bounded, counted, and cut at the marks (worker-frames.ts). */
import { isUtf8 } from "node:buffer";

export type OutputTail = {
  /** bytes in all */
  total: number;
  /** the beginning and the end; what was between them is gone when `total` is larger than both together */
  head: Uint8Array;
  tail: Uint8Array;
};

export type OutputLimits = { headBytes: number; tailBytes: number };

export type Capture = {
  push(chunk: Uint8Array): void;
  total(): number;
  /** What is captured so far. */
  peek(): OutputTail;
  /** What was captured; starts anew. */
  take(): OutputTail;
};

const NOTHING = new Uint8Array(0);
export const NO_OUTPUT: OutputTail = { total: 0, head: NOTHING, tail: NOTHING };

/**
 * Keeps the first and the last bytes of a stream of any length in bounded memory. Bytes are copied: a chunk may be a small
 * view on a large buffer of the socket.
 */
export function createCapture({ headBytes, tailBytes }: OutputLimits): Capture {
  let total = 0;
  let head = Buffer.alloc(0);
  let headLength = 0;
  let ring: Buffer | undefined;
  let ringTotal = 0;

  const pushHead = (bytes: Uint8Array) => {
    if (headLength + bytes.length > head.length) {
      const grown = Buffer.allocUnsafe(Math.min(headBytes, Math.max(1024, (headLength + bytes.length) * 2)));
      head.copy(grown, 0, 0, headLength);
      head = grown;
    }
    head.set(bytes, headLength);
    headLength += bytes.length;
  };
  const pushTail = (chunk: Uint8Array) => {
    if (tailBytes === 0) return;
    ring ??= Buffer.allocUnsafe(tailBytes);
    const last = chunk.subarray(Math.max(0, chunk.length - tailBytes));
    const at = (ringTotal + chunk.length - last.length) % tailBytes;
    const first = last.subarray(0, tailBytes - at);
    ring.set(first, at);
    ring.set(last.subarray(first.length), 0);
    ringTotal += chunk.length;
  };
  const tail = (): Uint8Array => {
    if (!ring) return NOTHING;
    if (ringTotal <= tailBytes) return ring.subarray(0, ringTotal);
    const at = ringTotal % tailBytes;
    return Buffer.concat([ring.subarray(at), ring.subarray(0, at)]);
  };
  const peek = (): OutputTail =>
    total === 0 ? NO_OUTPUT : { total, head: Buffer.from(head.subarray(0, headLength)), tail: tail() };
  return {
    push(chunk) {
      total += chunk.length;
      const first = chunk.subarray(0, Math.max(0, headBytes - headLength));
      if (first.length > 0) pushHead(first);
      if (first.length < chunk.length) pushTail(chunk.subarray(first.length));
    },
    total: () => total,
    peek,
    take() {
      if (total === 0) return NO_OUTPUT;
      const taken = { total, head: head.subarray(0, headLength), tail: tail() };
      head = Buffer.alloc(0);
      ring = undefined;
      total = headLength = ringTotal = 0;
      return taken;
    },
  };
}

/** The last bytes of what was captured, as they travel with a result. */
export function lastBytes(output: OutputTail, count: number): Uint8Array {
  if (output.tail.length >= count || output.total > output.head.length + output.tail.length) {
    return output.tail.subarray(Math.max(0, output.tail.length - count));
  }
  const all = Buffer.concat([output.head, output.tail]);
  return all.subarray(Math.max(0, all.length - count));
}

/** All that was captured, as text; says how much is missing in the middle. */
export function outputText({ total, head, tail }: OutputTail): string {
  const missing = total - head.length - tail.length;
  if (missing === 0) return decode(Buffer.concat([head, tail]));
  return `${decode(head)}\n[… ${missing} bytes left out …]\n${decode(tail)}`;
}

/** All that was captured, if its text does not say it: it is whole, and not UTF-8. */
export function outputBytes({ total, head, tail }: OutputTail): Uint8Array | undefined {
  const bytes = Buffer.concat([head, tail]);
  return total > bytes.length || isUtf8(bytes) ? undefined : new Uint8Array(bytes);
}

function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
