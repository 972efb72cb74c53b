/** Asks a file system whether it answers, before something is read from it that the heartbeat would wait for (FAULTS.md A10). */
import { open } from "node:fs/promises";

const PATIENCE_MS = 1_000;

/** Makes the question for a directory. That it is not there is an answer too. One question is under way at most. */
export function createDiskGate(dir: string, patienceMs = PATIENCE_MS): () => Promise<boolean> {
  let asking: Promise<boolean> | undefined;
  const ask = async () => {
    // Opened and not only looked at: what is known of a name may be old, on NFS.
    const handle = await open(dir, "r").catch(() => undefined);
    await handle?.close().catch(() => {});
    asking = undefined;
    return true;
  };
  return async () => {
    asking ??= ask();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, patienceMs, false);
    });
    return Promise.race([asking, late]).finally(() => clearTimeout(timer));
  };
}
