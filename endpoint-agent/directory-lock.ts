/** One agent a directory: two would write the same journal. The lock names a process, so a crash leaves nothing to clean. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { ApiError } from "../protocol/errors.ts";
import { bootId, isAlive, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

/** What `agent.pid` holds. */
export type LockHolder = ProcessIdentity & { bootId: string };

/** Takes the lock; throws ENDPOINT_IN_USE when a live agent has it. Returns what gives it back. */
export function lockDirectory(path: string): () => void {
  const own = JSON.stringify({ ...ownIdentity(), bootId: bootId() } satisfies LockHolder);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(path, own, { flag: "wx", mode: 0o600 });
      return () => {
        // Process ids of another machine, or in another container, may be the same.
        if (lockText(path) === own) rmSync(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = liveHolder(path);
    if (holder) {
      throw new ApiError("ENDPOINT_IN_USE", `an agent of this directory runs already: process ${holder.pid}`, {
        details: { pid: holder.pid },
      });
    }
    rmSync(path, { force: true });
  }
  throw new ApiError("ENDPOINT_IN_USE", `${path} is being taken by other agents`);
}

/** The live process that holds the lock, if there is one. */
export function liveHolder(path: string): LockHolder | undefined {
  const holder = readLock(path);
  return holder && holder.bootId === bootId() && isAlive(holder) ? holder : undefined;
}

function readLock(path: string): LockHolder | undefined {
  try {
    return JSON.parse(lockText(path) ?? "") as LockHolder;
  } catch {
    return undefined;
  }
}

function lockText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
