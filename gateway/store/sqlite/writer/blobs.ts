/** Blobs: rows that count what names them (PROTOCOL.md rule 28). */
import type { BlobRow } from "../../port.ts";
import type { Base } from "./base.ts";
import type { Owner } from "./model.ts";

export type Blobs = ReturnType<typeof createBlobs>;

/** Prepares the statements. */
export function createBlobs(base: Base) {
  const { db } = base;
  const insert = db.prepare(
    "insert into blobs(hash, size, file, touched_at) values(?, ?, ?, ?) on conflict(hash) do nothing",
  );
  const touch = db.prepare("update blobs set touched_at = ? where hash = ?");
  const grant = db.prepare("insert into blob_owners(hash, owner) values(?, ?) on conflict do nothing");
  const owned = db.prepare("select 1 from blob_owners where hash = ? and owner = ?");
  const exists = db.prepare("select 1 from blobs where hash = ?");
  const refer = db.prepare("update blobs set refs = refs + 1, touched_at = ? where hash = ?");
  const release = db.prepare("update blobs set refs = refs - 1, touched_at = ? where hash = ?");
  const unused = db.prepare(
    "select hash, file from blobs indexed by blobs_unused where refs = 0 and touched_at < ? limit ?",
  );
  const remove = db.prepare("delete from blobs where hash = ?");
  const removeOwners = db.prepare("delete from blob_owners where hash = ?");

  return {
    /** Whether the blob is stored and the owner may name it. */
    visible: (hash: string, owner: Owner): boolean => owned.get(hash, owner.name) !== undefined,
    /** Takes over what an agent uploaded for a task of `owner`; false when it is not stored. */
    adopt(hash: string, owner: Owner): boolean {
      if (!exists.get(hash)) return false;
      grant.run(hash, owner.name);
      return true;
    },
    refer: (hash: string): void => void refer.run(base.now, hash),
    release: (hash: string): void => void release.run(base.now, hash),
    ops: {
      putBlob({ hash, size, file, owner }: BlobRow & { owner: string }): void {
        // The first upload wins: its file is the row's, that of a later one may be removed by who put it.
        if (insert.run(hash, size, file, base.now).changes === 0) touch.run(base.now, hash);
        grant.run(hash, owner);
      },
      sweepBlobs({ untouchedMs, limit }: { untouchedMs: number; limit: number }): string[] {
        const rows = unused.all(base.now - untouchedMs, limit) as { hash: string; file: string }[];
        for (const { hash } of rows) {
          remove.run(hash);
          removeOwners.run(hash);
        }
        return rows.map(({ file }) => file);
      },
    },
  };
}
