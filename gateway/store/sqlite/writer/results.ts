/** Where results and output tails go: small ones in the task's row, larger ones aside, blobs by name. */
import type { TaskFailure } from "../../../../protocol/task.ts";
import { ABSENT, type ReportMessage } from "../messages.ts";
import { PLACE, payloadKey, ROW_PAYLOAD_BYTES } from "../states.ts";
import type { Base } from "./base.ts";
import type { Blobs } from "./blobs.ts";
import type { Task } from "./model.ts";
import { NO_RESULT, type StoredResult } from "./transitions.ts";

/** One result of a report: its position, and where its bytes begin in the body. */
export type ResultAt = { message: ReportMessage; index: number; offset: number };

/** Prepares the statements. */
export function createResults({ db }: Base, blobs: Blobs) {
  const insertPayload = db.prepare("insert or replace into payloads(key, bytes) values(?, ?)");
  const insertOutput = db.prepare("insert or replace into outputs values(?, ?, ?, ?, ?)");

  return {
    /** How many bytes of the body are this result's. */
    length({ message, index }: ResultAt): number {
      const { lengths } = message.results;
      const at = index * 3;
      return (lengths[at] as number) + (lengths[at + 1] as number) + (lengths[at + 2] as number);
    },
    /** The failure of a result that names a blob which is not stored. */
    lostBlob(task: Task, { message, index }: ResultAt): TaskFailure | undefined {
      const blob = message.results.extras?.get(index)?.blob;
      if (!blob || blobs.adopt(blob.hash, task.spec.owner)) return undefined;
      return { code: "BLOB_GONE", message: `the result names blob ${blob.hash}, which is not stored` };
    },
    store(task: Task, { message, index, offset }: ResultAt): StoredResult {
      const { encodings, lengths, extras } = message.results;
      const encoding = encodings[index] as number;
      if (encoding === ABSENT) return NO_RESULT;
      const blob = extras?.get(index)?.blob;
      if (blob) {
        blobs.refer(blob.hash);
        return { form: encoding + PLACE.blob, size: blob.size, value: Buffer.from(blob.hash, "hex") };
      }
      const size = lengths[index * 3] as number;
      const bytes = message.body.subarray(offset, offset + size);
      if (size <= ROW_PAYLOAD_BYTES) return { form: encoding + PLACE.row, size, value: bytes };
      insertPayload.run(payloadKey(task.seq, "result"), bytes);
      return { form: encoding + PLACE.table, size, value: null };
    },
    storeOutput(task: Task, { message, index, offset }: ResultAt): void {
      const { lengths, extras } = message.results;
      const stdout = lengths[index * 3 + 1] as number;
      const stderr = lengths[index * 3 + 2] as number;
      if (stdout + stderr === 0) return;
      const from = offset + (lengths[index * 3] as number);
      const extra = extras?.get(index);
      insertOutput.run(
        task.seq,
        message.body.subarray(from, from + stdout),
        message.body.subarray(from + stdout, from + stdout + stderr),
        extra?.stdoutTotal ?? stdout,
        extra?.stderrTotal ?? stderr,
      );
    },
  };
}
