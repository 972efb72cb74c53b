/** The writer's thread: takes all calls that wait, runs them in one transaction, commits once, and answers them together. */

import { randomUUID } from "node:crypto";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { ApiError } from "../../../../protocol/errors.ts";
import type { StoreLimits } from "../../port.ts";
import type { Durability } from "../connection.ts";
import { openForWriting } from "../connection.ts";
import { migrate } from "../schema.ts";
import type { Call, FromThread, Reply } from "../thread-messages.ts";
import { createBase } from "./base.ts";
import { createCommitter } from "./committer.ts";
import { createOperations } from "./operations.ts";

export type WriterOptions = { file: string; durability: Durability; limits: StoreLimits };

const port = parentPort as NonNullable<typeof parentPort>;

try {
  serve(workerData as WriterOptions);
} catch (error) {
  const body = error instanceof ApiError ? error.toJSON() : new ApiError("INTERNAL", String(error)).toJSON();
  port.postMessage({ kind: "failed", error: body } satisfies FromThread);
}

function serve({ file, durability, limits }: WriterOptions): void {
  const db = openForWriting(file, durability);
  migrate(db);
  db.prepare("insert into meta(name, value) values('generation', ?) on conflict do nothing").run(
    randomUUID().slice(0, 8),
  );
  const { value: generation } = db.prepare("select value from meta where name = 'generation'").get() as {
    value: string;
  };
  const base = createBase(db, limits);
  const operations = createOperations(base, { admit: () => {} });
  const committer = createCommitter(base, operations);

  port.on("message", (first: Call) => {
    const calls = [first];
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      calls.push(next.message as Call);
    const closing = calls.some((call) => call.op === "close");
    const replies = committer.run(calls.filter((call) => call.op !== "close"));
    port.postMessage({ kind: "replies", replies } satisfies FromThread, transfers(replies));
    if (!closing) return;
    db.exec("pragma wal_checkpoint(truncate)");
    db.close();
    port.postMessage({ kind: "closed" } satisfies FromThread);
    port.close();
  });
  port.postMessage({ kind: "ready", info: { generation } } satisfies FromThread);
}

/** The large buffers in replies: argument bytes of popped tasks. */
function transfers(replies: Reply[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { value } of replies) {
    const popped = Array.isArray(value) ? value : (value as { popped?: unknown } | null)?.popped;
    if (!Array.isArray(popped)) continue;
    for (const batch of popped) if (batch?.body instanceof Uint8Array) buffers.push(batch.body.buffer as ArrayBuffer);
  }
  return buffers;
}
