/** One transaction for many calls. */
import { ApiError, type ErrorBody } from "../../../../protocol/errors.ts";
import type { Call, Reply } from "../thread-messages.ts";
import type { Base } from "./base.ts";
import type { Disk } from "./disk.ts";

export type Committer = {
  /** Runs the calls in order and returns their replies once they are on disk. A call that fails does not touch the others. */
  run(calls: Call[]): Reply[];
  stats(): { commits: number; callsPerCommit: number };
};

export type AnyOperations = Record<string, (input: never) => unknown>;

/** Operations that only look at memory: a group of nothing else needs no transaction. */
const MEMORY_ONLY: ReadonlySet<string> = new Set(["epochOf", "leasesOf", "waiting", "lastSequence", "stats"]);

const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;

/** Groups calls of `operations` into transactions of `base`. */
export function createCommitter(
  base: Base,
  { operations, disk }: { operations: AnyOperations; disk: Disk },
): Committer {
  const { db } = base;
  let commits = 0;
  let calls = 0;
  /** Memory ran ahead of what the database kept, and was not read again since. */
  let ahead = false;

  function execute({ n, op, now, input }: Call): Reply {
    base.now = now;
    const operation = operations[op] as (input: unknown) => unknown;
    try {
      return { n, value: operation(input) };
    } catch (error) {
      // Operations refuse before they write, so there is nothing to undo.
      if (error instanceof ApiError) return { n, error: error.toJSON() };
      throw error;
    }
  }

  function transaction(group: Call[]): Reply[] {
    // Where even reading fails, every call does, until it works again.
    if (ahead) base.load();
    ahead = false;
    if (group.every(({ op }) => MEMORY_ONLY.has(op))) return group.map(execute);
    db.exec("begin immediate");
    try {
      const replies = group.map(execute);
      base.flush();
      db.exec("commit");
      commits++;
      calls += group.length;
      return replies;
    } catch (error) {
      ahead = true;
      if (db.isTransaction) db.exec("rollback");
      throw error;
    }
  }

  /** Runs one call in its own transaction, a second time when giving up the ballast made room for it. */
  function alone(call: Call): Reply {
    for (;;) {
      try {
        return transaction([call])[0] as Reply;
      } catch (error) {
        if (!isFull(error) || !disk.freeBallast()) return { n: call.n, error: describe(error) };
      }
    }
  }

  return {
    run(group) {
      if (group.length === 0) return [];
      try {
        return transaction(group);
      } catch (error) {
        if (isFull(error)) disk.freeBallast();
        return group.map(alone);
      }
    },
    stats: () => ({ commits, callsPerCommit: commits === 0 ? 0 : calls / commits }),
  };
}

/** A write to a full disk is SQLITE_FULL, or an I/O error when it hits the WAL's index. */
function isFull(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode !== undefined && ((errcode & 0xff) === SQLITE_FULL || (errcode & 0xff) === SQLITE_IOERR);
}

function describe(error: unknown): ErrorBody {
  const { message, stack } = error as Error;
  if (isFull(error)) {
    const why = `the database cannot be written: ${message}`;
    return new ApiError("STORAGE_FULL", why, { details: { retryAfterMs: 5000 } }).toJSON();
  }
  return new ApiError("INTERNAL", `the store failed: ${message}`, { details: { stack } }).toJSON();
}
