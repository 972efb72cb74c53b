/** One transaction for many calls. */
import { ApiError, type ErrorBody } from "../../../../protocol/errors.ts";
import type { Call, Reply } from "../thread-messages.ts";
import type { Base } from "./base.ts";
import type { Operations } from "./operations.ts";

export type Committer = {
  /** Runs the calls in order and returns their replies once they are on disk. A call that fails does not touch the others. */
  run(calls: Call[]): Reply[];
  stats(): { commits: number; calls: number };
};

/** Groups calls of `operations` into transactions of `base`. */
export function createCommitter(base: Base, operations: Operations): Committer {
  const { db } = base;
  let commits = 0;
  let calls = 0;

  function execute({ n, op, now, input }: Call): Reply {
    base.now = Math.max(base.now, now);
    const operation = operations[op as keyof Operations] as (input: unknown) => unknown;
    try {
      return { n, value: operation(input) };
    } catch (error) {
      // Operations refuse before they write, so there is nothing to undo.
      if (error instanceof ApiError) return { n, error: error.toJSON() };
      throw error;
    }
  }

  function transaction(group: Call[]): Reply[] {
    db.exec("begin immediate");
    try {
      const replies = group.map(execute);
      base.flush();
      db.exec("commit");
      commits++;
      calls += group.length;
      return replies;
    } catch (error) {
      if (db.isTransaction) db.exec("rollback");
      // Memory ran ahead of what the database kept.
      base.load();
      throw error;
    }
  }

  function alone(call: Call): Reply {
    try {
      return transaction([call])[0] as Reply;
    } catch (error) {
      return { n: call.n, error: describe(error) };
    }
  }

  return {
    run(group) {
      if (group.length === 0) return [];
      try {
        return transaction(group);
      } catch {
        return group.map(alone);
      }
    },
    stats: () => ({ commits, calls }),
  };
}

function describe(error: unknown): ErrorBody {
  if (error instanceof ApiError) return error.toJSON();
  const { message, stack } = error as Error;
  return new ApiError("INTERNAL", `the store failed: ${message}`, { details: { stack } }).toJSON();
}
