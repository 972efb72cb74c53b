/** One output stream of a worker, cut into the output of its tasks. */
import { type Capture, createCapture, type OutputLimits, type OutputTail } from "./output.ts";

const NUMBER_BYTES = 8 + 1;
const MAX_CLOSED = 64;

export type MarkedStream = {
  push(chunk: Uint8Array): void;
  /** Calls back with the output up to the mark of task `n`, now or when it comes, or after `waitMs` without it. */
  until(n: number, waitMs: number, done: (output: OutputTail) => void): void;
  /** The first task whose mark is waited for: what comes now is its output. */
  waiting(): number | undefined;
  /** What came since the last mark; it stays. */
  peek(): OutputTail;
  /** What came since the last mark, unless a mark is still to come. */
  unmarked(): OutputTail | undefined;
  /** What came since the last mark; every wait ends. */
  end(): OutputTail;
};

type Wait = { n: number; done: (output: OutputTail) => void; timer: NodeJS.Timeout };

/** Looks for `mark` in the stream; `onBytes` gets everything but the marks, as it comes. */
export function createMarkedStream(
  mark: string,
  limits: OutputLimits,
  onBytes: (bytes: Uint8Array) => void,
): MarkedStream {
  const pattern = Buffer.from(mark);
  const capture: Capture = createCapture(limits);
  const closed = new Map<number, OutputTail>();
  const waits: Wait[] = [];
  let rest: Buffer = Buffer.alloc(0);

  const settle = (wait: Wait, output: OutputTail) => {
    clearTimeout(wait.timer);
    waits.splice(waits.indexOf(wait), 1);
    wait.done(output);
  };
  const take = (bytes: Buffer) => {
    if (bytes.length === 0) return;
    capture.push(bytes);
    onBytes(bytes);
  };
  const close = (n: number) => {
    const output = capture.take();
    const wait = waits.find((candidate) => candidate.n === n);
    if (wait) {
      settle(wait, output);
      return;
    }
    closed.set(n, output);
    // A mark comes a moment before its result, of no more tasks than a worker may hold: others are made up by user code.
    if (closed.size > MAX_CLOSED) closed.delete(closed.keys().next().value as number);
  };
  const cut = (chunk: Buffer): Buffer => {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      const at = bytes.indexOf(pattern);
      if (at < 0) break;
      const end = at + pattern.length + NUMBER_BYTES;
      if (bytes.length < end) {
        take(bytes.subarray(0, at));
        return bytes.subarray(at);
      }
      take(bytes.subarray(0, at));
      close(Number.parseInt(bytes.toString("latin1", at + pattern.length, end - 1), 16));
      bytes = bytes.subarray(end);
    }
    const keep = beginningAtEnd(bytes, pattern);
    take(bytes.subarray(0, bytes.length - keep));
    return bytes.subarray(bytes.length - keep);
  };

  return {
    push(chunk) {
      rest = cut(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    },
    until(n, waitMs, done) {
      const output = closed.get(n);
      if (output) {
        closed.delete(n);
        done(output);
        return;
      }
      const wait: Wait = { n, done, timer: setTimeout(() => settle(wait, capture.take()), waitMs) };
      waits.push(wait);
    },
    waiting: () => waits[0]?.n,
    peek: capture.peek,
    unmarked() {
      return waits.length > 0 || closed.size > 0 || capture.total() === 0 ? undefined : capture.take();
    },
    end() {
      take(rest);
      rest = Buffer.alloc(0);
      // The first wait's output is what has come; the others' marks will not come either.
      for (const wait of [...waits]) settle(wait, capture.take());
      return capture.take();
    },
  };
}

/** How many bytes at the end of `bytes` may be the beginning of `pattern`. */
function beginningAtEnd(bytes: Buffer, pattern: Buffer): number {
  const from = Math.max(0, bytes.length - pattern.length + 1);
  for (let at = bytes.indexOf(pattern[0] as number, from); at >= 0; at = bytes.indexOf(pattern[0] as number, at + 1)) {
    if (bytes.compare(pattern, 0, bytes.length - at, at) === 0) return bytes.length - at;
  }
  return 0;
}
