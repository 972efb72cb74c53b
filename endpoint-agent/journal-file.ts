/**
 * The file under the journal. Whoever takes it writes it anew in its place, so that an agent that still has the old one open
 * (the lock of a directory cannot be trusted on NFS, FAULTS.md A6) writes where nobody reads, and finds that out.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ApiError } from "../protocol/errors.ts";
import { JOURNAL_HEAD } from "./journal-codec.ts";

export type JournalFile = {
  /** where the next group goes */
  length: number;
  handle: FileHandle;
  /** Throws when another agent has taken the journal: then what was written here is not read by anybody. */
  stillOwn(): Promise<void>;
};

/** What the file holds now; nothing when there is none. */
export async function readJournalFile(path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
}

/** How long the file is now; 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Writes these groups to a new file that takes the old one's place. `before` is asked last, and may throw. */
export async function replaceJournalFile(
  path: string,
  groups: Iterable<Uint8Array>,
  before: () => Promise<void>,
): Promise<JournalFile> {
  const next = `${path}.new-${process.pid}`;
  const handle = await open(next, "w", 0o600);
  try {
    let length = await writeAt(handle, JOURNAL_HEAD, 0);
    for (const group of groups) length = await writeAt(handle, group, length);
    await handle.datasync();
    await before();
    await rename(next, path);
    await syncDirectory(path);
    return await journalFile(path, handle, length);
  } catch (error) {
    await handle.close();
    await rm(next, { force: true });
    throw error;
  }
}

/** Opens the file as it is, and cuts off what lies behind `length`. */
export async function openJournalFile(path: string, length: number): Promise<JournalFile> {
  // Not for appending: that would ignore the position, which must be the end of the last whole group.
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  await handle.truncate(length);
  const head = length === 0 ? await writeAt(handle, JOURNAL_HEAD, 0) : length;
  await handle.datasync();
  return journalFile(path, handle, head);
}

/** Writes all of it; returns the position behind it. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
  return position + written;
}

async function journalFile(path: string, handle: FileHandle, length: number): Promise<JournalFile> {
  const own = await handle.stat();
  return {
    length,
    handle,
    async stillOwn() {
      const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        return undefined;
      });
      if (there?.ino === own.ino && there.dev === own.dev) return;
      throw new ApiError("ENDPOINT_IN_USE", `another agent has taken ${path}, or it was removed`);
    },
  };
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), "r");
  await directory.sync().catch(() => {});
  await directory.close();
}
