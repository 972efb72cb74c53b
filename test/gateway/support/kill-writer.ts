/** Preloaded by NODE_OPTIONS: the store's writer thread dies, of an error that it does not expect, once a file is there. */
import { existsSync } from "node:fs";
import { isMainThread, workerData } from "node:worker_threads";

const file = process.env.TEST_KILL_WRITER;
if (!isMainThread && file !== undefined && (workerData as { durability?: string } | null)?.durability !== undefined) {
  setInterval(() => {
    if (existsSync(file)) throw new Error("the test killed the writer");
  }, 20).unref();
}
