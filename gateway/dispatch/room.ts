/**
 * What may still be sent in one pull, by resource class (PROTOCOL.md rule 4). The agent states cumulative limits; what a
 * transaction under way may use is reserved before it starts and given back after it, so that no two spend the same room.
 */
import type { Limit, Limits } from "../../protocol/messages.ts";

export type Room = {
  /** Takes limits over; they never fall. */
  raise(limits: Limits): void;
  /** What is neither sent nor reserved, and no more than `most` of each class; undefined when that is nothing. */
  reserve(most: Limits | Limit): Limits | undefined;
  /** Gives back what was reserved or spent. */
  release(given: Limits): void;
  /** Counts what was handed out. */
  spend(handedOut: Limits): void;
  /** Whether a task could be handed out now. */
  some(): boolean;
};

type Account = { tasks: number; bytes: number; usedTasks: number; usedBytes: number };

/** An agent names one class a kind of resources it has tasks for; a list without bound would be memory without bound. */
const MAX_CLASSES = 256;

/** The room of a new pull. */
export function createRoom(limits: Limits): Room {
  // Reserved and sent are one number: a reservation is counted as used until it is given back.
  const accounts = new Map<string, Account>();

  function take(account: Account, most: Limit): Limit | undefined {
    const tasks = Math.min(account.tasks - account.usedTasks, most.tasks);
    const bytes = Math.min(account.bytes - account.usedBytes, most.bytes);
    // Bytes that another transaction holds now would make this one look in vain.
    if (tasks <= 0 || bytes < 0 || (bytes === 0 && most.bytes > 0)) return undefined;
    account.usedTasks += tasks;
    account.usedBytes += bytes;
    return { tasks, bytes };
  }

  function add(amounts: Limits, sign: 1 | -1): void {
    for (const resourceClass in amounts) {
      const account = accounts.get(resourceClass);
      if (!account) continue;
      const { tasks, bytes } = amounts[resourceClass] as Limit;
      account.usedTasks += sign * tasks;
      account.usedBytes += sign * bytes;
    }
  }

  const room: Room = {
    raise(stated) {
      for (const resourceClass in stated) {
        const { tasks, bytes } = stated[resourceClass] as Limit;
        let account = accounts.get(resourceClass);
        if (!account) {
          if (accounts.size === MAX_CLASSES) continue;
          account = { tasks: 0, bytes: 0, usedTasks: 0, usedBytes: 0 };
          accounts.set(resourceClass, account);
        }
        account.tasks = Math.max(account.tasks, tasks);
        account.bytes = Math.max(account.bytes, bytes);
      }
    },
    reserve(most) {
      let reserved: Limits | undefined;
      for (const [resourceClass, account] of accounts) {
        const wanted = isLimit(most) ? most : most[resourceClass];
        const taken = wanted && take(account, wanted);
        if (!taken) continue;
        reserved ??= {};
        reserved[resourceClass] = taken;
      }
      return reserved;
    },
    release: (given) => add(given, -1),
    spend: (handedOut) => add(handedOut, 1),
    some() {
      for (const { tasks, bytes, usedTasks, usedBytes } of accounts.values()) {
        if (tasks > usedTasks && bytes > usedBytes) return true;
      }
      return false;
    },
  };
  room.raise(limits);
  return room;
}

function isLimit(most: Limits | Limit): most is Limit {
  return typeof most.tasks === "number";
}
