/**
 * The one binary form of everything that carries payloads: a submit, a NATS message, an event stream, the frames between
 * agent, manager and worker.
 *
 *     u32 big-endian header length | u32 big-endian body length | header: UTF-8 JSON | body: bytes
 *
 * The header says how the body is cut (`length` fields, in order); whoever forwards a frame never parses the payloads.
 */
import { ApiError } from "./errors.ts";

export const FRAME_PREFIX_BYTES = 8;

/** The media type of one frame (a submit), or of a sequence of frames (the event stream). */
export const FRAME_MEDIA_TYPE = "application/vnd.farcall.frames";

export type Frame = { header: unknown; body: Uint8Array };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Encodes a header (any JSON value) and the byte chunks that follow it as one frame. */
export function encodeFrame(header: unknown, chunks: readonly Uint8Array[] = []): Uint8Array {
  return encodeFrameText(JSON.stringify(header), chunks);
}

/** As `encodeFrame`, for a header that is JSON text already. */
export function encodeFrameText(headerText: string, chunks: readonly Uint8Array[] = []): Uint8Array {
  const head = encoder.encode(headerText);
  let bodyLength = 0;
  for (const chunk of chunks) bodyLength += chunk.length;
  const frame = new Uint8Array(FRAME_PREFIX_BYTES + head.length + bodyLength);
  const view = new DataView(frame.buffer);
  view.setUint32(0, head.length);
  view.setUint32(4, bodyLength);
  frame.set(head, FRAME_PREFIX_BYTES);
  let offset = FRAME_PREFIX_BYTES + head.length;
  for (const chunk of chunks) {
    frame.set(chunk, offset);
    offset += chunk.length;
  }
  return frame;
}

/** Decodes exactly one frame; the body is a view on `bytes`. Throws BAD_FRAME when the lengths or the JSON are wrong. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const size = frameSize(bytes, 0);
  if (size === undefined || size !== bytes.length) {
    throw new ApiError("BAD_FRAME", `the frame announces ${size ?? "no"} bytes and has ${bytes.length}`);
  }
  return readFrame(bytes, 0);
}

export type FrameReader = {
  /** Takes the next bytes of the stream and returns the frames that are complete now. */
  push(chunk: Uint8Array): Frame[];
};

/** Cuts a byte stream into frames. A frame above `maxBytes` throws BAD_FRAME before it is buffered. */
export function createFrameReader(maxBytes: number): FrameReader {
  let parts: Uint8Array[] = [];
  let buffered = 0;
  let wanted = FRAME_PREFIX_BYTES;
  return {
    push(chunk) {
      parts.push(chunk);
      buffered += chunk.length;
      if (buffered < wanted) return [];
      let bytes = parts.length === 1 ? (parts[0] as Uint8Array) : joinBytes(parts);
      const frames: Frame[] = [];
      let offset = 0;
      for (;;) {
        const size = frameSize(bytes, offset);
        if (size !== undefined && size > maxBytes) {
          throw new ApiError("BAD_FRAME", `a frame of ${size} bytes is above the limit of ${maxBytes}`);
        }
        if (size === undefined || bytes.length - offset < size) {
          wanted = size ?? FRAME_PREFIX_BYTES;
          break;
        }
        frames.push(readFrame(bytes, offset));
        offset += size;
      }
      bytes = bytes.subarray(offset);
      parts = bytes.length > 0 ? [bytes] : [];
      buffered = bytes.length;
      return frames;
    },
  };
}

/** Joins byte chunks into one array. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}

function frameSize(bytes: Uint8Array, offset: number): number | undefined {
  if (bytes.length - offset < FRAME_PREFIX_BYTES) return undefined;
  return FRAME_PREFIX_BYTES + readU32(bytes, offset) + readU32(bytes, offset + 4);
}

function readFrame(bytes: Uint8Array, offset: number): Frame {
  const start = offset + FRAME_PREFIX_BYTES;
  const headEnd = start + readU32(bytes, offset);
  const bodyEnd = headEnd + readU32(bytes, offset + 4);
  try {
    return {
      header: JSON.parse(decoder.decode(bytes.subarray(start, headEnd))),
      body: bytes.subarray(headEnd, bodyEnd),
    };
  } catch (cause) {
    throw new ApiError("BAD_FRAME", "the frame's header is not UTF-8 JSON", { cause });
  }
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] as number) << 24) |
      ((bytes[offset + 1] as number) << 16) |
      ((bytes[offset + 2] as number) << 8) |
      (bytes[offset + 3] as number)) >>>
    0
  );
}
