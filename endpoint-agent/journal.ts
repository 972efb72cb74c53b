/** The agent's journal: managers, blocks, and results that no gateway has taken yet (PROTOCOL.md rules 13 and 22). */
import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { ApiError } from "../protocol/errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { decodeJournal, encodeGroup, JOURNAL_HEAD } from "./journal-codec.ts";
import { applyRecord, emptyState, type JournalRecord, type JournalState, stateRecords } from "./journal-state.ts";

export type Journal = {
  /** What the journal says, as it stands; it follows every append. */
  readonly state: JournalState;
  /** The reason why nothing can be written now, for the operator. */
  readonly trouble: string | undefined;
  /** Resolves when the records are on disk. Appends that wait are written and synced together. */
  append(records: readonly JournalRecord[]): Promise<void>;
  /** Writes without waiting for the disk: for what may be lost, as the end of a result's stay. */
  note(records: readonly JournalRecord[]): void;
  /** Finds out whether what could not be written could be written now; `trouble` then says so. */
  probe(): Promise<void>;
  close(): Promise<void>;
};

/** The file is written anew when it is this long and mostly history. */
const COMPACT_BYTES = 4 * 1024 * 1024;

const MIN_PROBE_BYTES = 64 * 1024;
/** Appends that wait are written in groups of about this size. */
const GROUP_BYTES = 8 * 1024 * 1024;

type Waiting = { frames: Uint8Array[]; records: readonly JournalRecord[]; done?: (error?: Error) => void };

/** Opens the journal, cutting off what a crash left half written. Throws JOURNAL_DAMAGED. */
export async function openJournal(path: string): Promise<Journal> {
  const state = emptyState();
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  const content = decodeJournal(bytes);
  if (content.kind === "damaged") throw damaged(path, content);
  for (const frame of content.frames) applyRecord(state, frame);
  // Not for appending: that would ignore the position, which must be the end of the last whole group.
  let file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  let length = content.goodBytes;
  if (length < bytes.length) await file.truncate(length);
  if (length === 0) {
    length = await writeAt(file, JOURNAL_HEAD, 0);
    await file.datasync();
    await syncDirectory(path);
  }

  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  let trouble: string | undefined;
  /** of the last group that could not be written: that a smaller one finds room says nothing */
  let failedBytes = 0;

  const writeGroup = async (batch: Waiting[]) => {
    const group = encodeGroup(batch.flatMap((item) => item.frames));
    try {
      length = await writeAt(file, group, length);
      if (batch.some((item) => item.done)) await file.datasync();
    } catch (error) {
      // Nothing half written may stand before a later group: that would read as damage.
      await file.truncate(length).catch(() => {});
      failedBytes = group.length;
      throw error;
    }
  };
  const compact = async () => {
    const next = `${path}.new`;
    const target = await open(next, "w", 0o600);
    let size = await writeAt(target, JOURNAL_HEAD, 0);
    for (const records of stateRecords(state)) size = await writeAt(target, encodeGroup(records.map(frameOf)), size);
    await target.datasync();
    await rename(next, path);
    await syncDirectory(path);
    await file.close();
    file = target;
    length = size;
  };
  const work = async () => {
    while (waiting.length > 0) {
      const batch = takeGroup(waiting);
      waiting = waiting.slice(batch.length);
      try {
        await writeGroup(batch);
        for (const item of batch) for (const record of item.records) applyRecord(state, frameless(record));
        for (const item of batch) item.done?.();
      } catch (error) {
        trouble = cannotWrite(error);
        for (const item of batch) item.done?.(error as Error);
      }
      // A failed compaction leaves the old file as it is, and is tried again after the next group.
      if (length > COMPACT_BYTES && length > 2 * state.bytes) await compact().catch(() => {});
    }
    writing = undefined;
  };
  const enqueue = (item: Waiting) => {
    waiting.push(item);
    writing ??= Promise.resolve().then(work);
  };

  return {
    state,
    get trouble() {
      return trouble;
    },
    append: (records) =>
      new Promise((resolve, reject) => {
        const done = (error?: Error) => (error ? reject(error) : resolve());
        enqueue({ frames: records.map(frameOf), records, done });
      }),
    async probe() {
      await writing;
      // Nothing is appended meanwhile: whoever comes waits for this as for any other write.
      writing ??= (async () => {
        try {
          await writeAt(file, Buffer.alloc(Math.max(MIN_PROBE_BYTES, failedBytes)), length);
          await file.datasync();
          trouble = undefined;
        } catch (error) {
          trouble = cannotWrite(error);
        }
        await file.truncate(length).catch(() => {});
        await work();
      })();
      await writing;
    },
    note: (records) => enqueue({ frames: records.map(frameOf), records }),
    async close() {
      await writing;
      await file.datasync().catch(() => {});
      await file.close();
    },
  };
}

function cannotWrite(error: unknown): string {
  return `the journal cannot be written: ${(error as Error).message}`;
}

function takeGroup(waiting: readonly Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && bytes < GROUP_BYTES) {
    for (const frame of (waiting[count] as Waiting).frames) bytes += frame.length;
    count++;
  }
  return waiting.slice(0, count);
}

function frameOf(record: JournalRecord): Uint8Array {
  const { bytes, ...header } = record as JournalRecord & { bytes?: Uint8Array };
  return encodeFrame(header, bytes ? [bytes] : []);
}

function frameless(record: JournalRecord): { header: unknown; body: Uint8Array } {
  return { header: record, body: (record as { bytes?: Uint8Array }).bytes ?? new Uint8Array(0) };
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
  return position + written;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), "r");
  await directory.sync().catch(() => {});
  await directory.close();
}

function damaged(path: string, found: { offset: number; reason: string }): ApiError {
  const message = `${path} is damaged at byte ${found.offset}: ${found.reason}. Stop the agent, make sure that no block of this endpoint runs, and move the file away: mv ${path} ${path}.damaged`;
  return new ApiError("JOURNAL_DAMAGED", message, { details: { path, ...found } });
}
