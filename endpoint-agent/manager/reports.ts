/** The ends of tasks as entries of the outbox. */
import type { ResultEntry } from "../../protocol/batch.ts";
import type { BlobsOut } from "./blobs-out.ts";
import type { Outbox } from "./outbox.ts";
import { lastBytes, type OutputTail } from "./output.ts";
import type { Task, TaskEnd } from "./task.ts";

/** How much of each stream's end travels with a result. */
export const TAIL_BYTES = 16 * 1024;

export type Reports = {
  /** Reports how a task ended; a large result goes up first. */
  end(task: Task, end: TaskEnd): void;
  start(task: Task, worker: string): void;
  /** Tasks that have ended, but whose large results are still on their way up. */
  readonly uploading: ReadonlySet<Task>;
};

/** Turns ends into results of `block`. */
export function createReports(block: string, outbox: Outbox, blobs: BlobsOut): Reports {
  const put = (entry: ResultEntry, end: TaskEnd, bytes: Uint8Array | undefined) => {
    const chunks: Uint8Array[] = [];
    if (bytes) chunks.push(bytes);
    addTail(entry, "stdout", end.stdout, chunks);
    addTail(entry, "stderr", end.stderr, chunks);
    outbox.result(entry, chunks);
  };
  const uploading = new Set<Task>();
  return {
    uploading,
    end(task, end) {
      const entry: ResultEntry = { id: task.id, lease: task.lease, outcome: end.outcome, block };
      if (end.started) entry.started = true;
      if (end.worker !== undefined) entry.worker = end.worker;
      if (end.ranMs !== undefined) entry.ranMs = Math.round(end.ranMs * 1000) / 1000;
      if (end.failure) entry.failure = end.failure;
      if (end.outcome !== "succeeded") {
        put(entry, end, undefined);
        return;
      }
      if (end.encoding && end.encoding !== "json") entry.encoding = end.encoding;
      if (end.file === undefined) {
        const bytes = end.bytes ?? new Uint8Array(0);
        entry.length = bytes.length;
        put(entry, end, bytes);
        return;
      }
      uploading.add(task);
      blobs.send({ file: end.file, task: task.id, lease: task.lease }, (sent) => {
        if ("error" in sent) {
          entry.outcome = "failed";
          entry.failure = { code: "UNAVAILABLE", message: `its result could not be stored: ${sent.error}` };
        } else Object.assign(entry, sent);
        uploading.delete(task);
        put(entry, end, undefined);
        outbox.flush();
      });
    },
    start: (task, worker) => outbox.start({ id: task.id, lease: task.lease, block, worker }),
  };
}

function addTail(
  entry: ResultEntry,
  name: "stdout" | "stderr",
  output: OutputTail | undefined,
  chunks: Uint8Array[],
): void {
  if (!output || output.total === 0) return;
  const tail = lastBytes(output, TAIL_BYTES);
  entry[name] = tail.length;
  entry[`${name}Total`] = output.total;
  chunks.push(tail);
}
