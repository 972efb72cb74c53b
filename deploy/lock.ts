/** A lock file between processes of one machine, for rare and long work. What it guards must be safe without it, too. */
import { open, readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./process-identity.ts";

/** Runs `work` while holding the lock file; a holder that has died is passed over. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!(await take(path))) {
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    // An empty file is one whose holder has not written its id yet, or died just then.
    if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx", 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
