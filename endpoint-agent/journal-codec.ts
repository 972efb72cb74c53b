/**
 * The journal's file: an 8-byte head, then groups. A group is what one sync made durable:
 *
 *     magic "FCJG" | u32 payload length | u32 CRC-32 of the length and the payload | payload: frames (protocol/frame.ts)
 *
 * A group is written only after the one before it is on disk, so a broken group at the end is a write that was cut short and
 * nobody relied on; one that is followed by a whole group is damage.
 */
import { crc32 } from "node:zlib";
import { createFrameReader, type Frame } from "../protocol/frame.ts";

/** Names the format; another version gets another head. */
export const JOURNAL_HEAD = new TextEncoder().encode("FCJRNL1\n");

const MAGIC = Buffer.from("FCJG");
const GROUP_HEAD_BYTES = 12;
/** No group is longer: a length above it is a broken head. */
export const MAX_GROUP_BYTES = 64 * 1024 * 1024;

/** Encodes the frames of one sync. */
export function encodeGroup(frames: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const frame of frames) length += frame.length;
  const group = Buffer.allocUnsafe(GROUP_HEAD_BYTES + length);
  MAGIC.copy(group);
  group.writeUInt32BE(length, 4);
  let offset = GROUP_HEAD_BYTES;
  for (const frame of frames) {
    group.set(frame, offset);
    offset += frame.length;
  }
  group.writeUInt32BE(checksum(group, 0, length), 8);
  return group;
}

export type JournalContent =
  /** `goodBytes`: what of the file is whole; the rest was never durable */
  | { kind: "ok"; frames: Frame[]; goodBytes: number }
  | { kind: "damaged"; offset: number; reason: string }
  /** of another format: its number */
  | { kind: "newer"; format: number };

/** Reads a journal's bytes. Never throws. */
export function decodeJournal(bytes: Buffer): JournalContent {
  if (bytes.length < JOURNAL_HEAD.length) {
    // Cut short while it was made: nothing had been written yet.
    if (JOURNAL_HEAD.subarray(0, bytes.length).every((byte, i) => byte === bytes[i])) {
      return { kind: "ok", frames: [], goodBytes: 0 };
    }
  }
  if (!bytes.subarray(0, JOURNAL_HEAD.length).equals(JOURNAL_HEAD)) {
    const format = /^FCJRNL([2-9])\n/.exec(bytes.toString("latin1", 0, JOURNAL_HEAD.length))?.[1];
    if (format !== undefined) return { kind: "newer", format: Number(format) };
    return { kind: "damaged", offset: 0, reason: "it does not begin as a journal of this version does" };
  }
  const frames: Frame[] = [];
  let offset = JOURNAL_HEAD.length;
  while (offset < bytes.length) {
    const end = groupEnd(bytes, offset);
    if (end === undefined) {
      const next = findGroup(bytes, offset + 1);
      if (next === undefined) break;
      return { kind: "damaged", offset, reason: `the group there is broken, and a whole one follows at byte ${next}` };
    }
    frames.push(...createFrameReader(MAX_GROUP_BYTES).push(bytes.subarray(offset + GROUP_HEAD_BYTES, end)));
    offset = end;
  }
  return { kind: "ok", frames, goodBytes: offset };
}

/** The end of a whole group that begins at `offset`, or undefined when there is none. */
function groupEnd(bytes: Buffer, offset: number): number | undefined {
  if (bytes.length - offset < GROUP_HEAD_BYTES || !bytes.subarray(offset, offset + 4).equals(MAGIC)) return undefined;
  const length = bytes.readUInt32BE(offset + 4);
  const end = offset + GROUP_HEAD_BYTES + length;
  if (length > MAX_GROUP_BYTES || end > bytes.length) return undefined;
  return checksum(bytes, offset, length) === bytes.readUInt32BE(offset + 8) ? end : undefined;
}

function findGroup(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(MAGIC, from); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    if (groupEnd(bytes, at) !== undefined) return at;
  }
  return undefined;
}

function checksum(bytes: Buffer, offset: number, length: number): number {
  const head = crc32(bytes.subarray(offset + 4, offset + 8));
  return crc32(bytes.subarray(offset + GROUP_HEAD_BYTES, offset + GROUP_HEAD_BYTES + length), head);
}
