/** The agent's journal: managers, blocks, and results that no gateway has taken yet (PROTOCOL.md rules 13 and 22). */
import { ApiError } from "../protocol/errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { uptimeMs } from "./clock.ts";
import { decodeJournal, encodeGroup, type JournalContent } from "./journal-codec.ts";
import {
  type JournalFile,
  openJournalFile,
  readJournalFile,
  replaceJournalFile,
  sizeOf,
  writeAt,
} from "./journal-file.ts";
import {
  applyRecord,
  clearState,
  emptyState,
  type JournalRecord,
  type JournalState,
  stateRecords,
} from "./journal-state.ts";

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
  /** Touches the file when nothing else does, so that `trouble` tells of a disk that does not answer. */
  look(): void;
  close(): Promise<void>;
};

/** The file is written anew when it is this long and mostly history. */
const COMPACT_BYTES = 4 * 1024 * 1024;

/** A disk that has not answered for so long is in trouble (FAULTS.md A10). */
const STALLED_MS = 5_000;
const MIN_PROBE_BYTES = 64 * 1024;
/** Appends that wait are written in groups of about this size. */
const GROUP_BYTES = 8 * 1024 * 1024;

type Waiting = { frames: Uint8Array[]; records: readonly JournalRecord[]; done?: (error?: Error) => void };

/**
 * Reads the journal; what a crash left half written does not count. Throws JOURNAL_DAMAGED or JOURNAL_NEWER. The file is left as it is until
 * the first append, by which this agent takes it.
 */
export async function openJournal(path: string): Promise<Journal> {
  const state = emptyState();
  let readBytes = 0;
  let file: JournalFile | undefined;

  const read = async (): Promise<JournalContent & { kind: "ok" }> => {
    const bytes = await readJournalFile(path);
    const content = decodeJournal(bytes);
    if (content.kind === "damaged") throw damaged(path, content);
    if (content.kind === "newer") throw newer(path, content.format);
    clearState(state);
    for (const frame of content.frames) applyRecord(state, frame);
    readBytes = bytes.length;
    return content;
  };
  await read();

  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  let trouble: string | undefined;
  /** since when the disk has been asked for something, on the clock that counts suspend */
  let askedAt: number | undefined;
  /** of the last group that could not be written: that a smaller one finds room says nothing */
  let failedBytes = 0;

  const groups = function* () {
    for (const records of stateRecords(state)) yield encodeGroup(records.map(frameOf));
  };
  /** Whatever another agent of this directory has written since it was read, counts. */
  const take = async (): Promise<JournalFile> => {
    const { goodBytes } = await read();
    const unchanged = async () => {
      if ((await sizeOf(path)) !== readBytes) throw new ApiError("UNAVAILABLE", `${path} changes while it is taken`);
    };
    return replaceJournalFile(path, groups(), unchanged).catch((error) => {
      if (error instanceof ApiError) throw error;
      // On a disk without room for a second one, the old file has to do.
      return openJournalFile(path, goodBytes);
    });
  };
  const writeGroup = async (batch: Waiting[]) => {
    const group = encodeGroup(batch.flatMap((item) => item.frames));
    file ??= await take();
    const { handle, length } = file;
    try {
      const end = await writeAt(handle, group, length);
      if (batch.some((item) => item.done)) {
        await handle.datasync();
        // After it is written: who takes the journal reads it, and then moves it away.
        await file.stillOwn();
      }
      file.length = end;
    } catch (error) {
      // Nothing half written may stand before a later group: that would read as damage.
      await handle.truncate(length).catch(() => {});
      failedBytes = group.length;
      throw error;
    }
  };
  const compact = async (old: JournalFile) => {
    file = await replaceJournalFile(path, groups(), old.stillOwn);
    await old.handle.close();
  };
  const stalled = () =>
    askedAt !== undefined && uptimeMs() - askedAt > STALLED_MS ? `${path}: the disk does not answer` : undefined;
  const work = async () => {
    while (waiting.length > 0) {
      askedAt = uptimeMs();
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
      if (file && file.length > COMPACT_BYTES && file.length > 2 * state.bytes) await compact(file).catch(() => {});
    }
    writing = askedAt = undefined;
  };
  const enqueue = (item: Waiting) => {
    waiting.push(item);
    writing ??= Promise.resolve().then(work);
  };

  return {
    state,
    get trouble() {
      return stalled() ?? trouble;
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
        askedAt = uptimeMs();
        try {
          file ??= await take();
          await probe(file, Math.max(MIN_PROBE_BYTES, failedBytes));
          trouble = undefined;
        } catch (error) {
          trouble = cannotWrite(error);
        }
        await work();
      })();
      await writing;
    },
    look() {
      const own = file;
      // Who writes notices by itself.
      if (!own || writing) return;
      writing = (async () => {
        askedAt = uptimeMs();
        await own.stillOwn().catch((error) => {
          trouble = cannotWrite(error);
        });
        await work();
      })();
    },
    note: (records) => enqueue({ frames: records.map(frameOf), records }),
    async close() {
      await writing;
      await file?.handle.datasync().catch(() => {});
      await file?.handle.close();
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

/** Writes so much behind what counts, and takes it away again. */
async function probe({ handle, length, stillOwn }: JournalFile, bytes: number): Promise<void> {
  try {
    await writeAt(handle, Buffer.alloc(bytes), length);
    await handle.datasync();
  } finally {
    await handle.truncate(length).catch(() => {});
  }
  await stillOwn();
}

function damaged(path: string, found: { offset: number; reason: string }): ApiError {
  const message = `${path} is damaged at byte ${found.offset}: ${found.reason}. Stop the agent, make sure that no block of this endpoint runs, and move the file away: mv ${path} ${path}.damaged`;
  return new ApiError("JOURNAL_DAMAGED", message, { details: { path, ...found } });
}

function newer(path: string, format: number): ApiError {
  const message = `${path} has format ${format}, of a newer version of the agent. It may hold results that nobody else has: do not move it away; start that version again`;
  return new ApiError("JOURNAL_NEWER", message, { details: { path, format } });
}
