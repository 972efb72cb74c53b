/** The writer's thread: takes all calls that wait, runs them in one transaction, commits once, and answers them together. */
import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { ApiError } from "../../../../protocol/errors.ts";
import { bufferOf, freeLarge } from "../../../../protocol/large-buffers.ts";
import type { StoreLimits } from "../../port.ts";
import { type Durability, openForWriting, WAL_BYTES } from "../connection.ts";
import { migrate } from "../schema.ts";
import type { Call, FromThread, Reply } from "../thread-messages.ts";
import { createBase } from "./base.ts";
import { type AnyOperations, type Committer, createCommitter } from "./committer.ts";
import { createDisk } from "./disk.ts";
import { createOperations } from "./operations.ts";
import { createWal } from "./wal.ts";
import { growWal } from "./wal-room.ts";

/** Tasks in one transaction, about: some 20 ms of work. */
const TASKS_PER_COMMIT = 8192;

export type WriterOptions = { file: string; durability: Durability; limits: StoreLimits; ballastBytes: number };

try {
  serve(parentPort as MessagePort, workerData as WriterOptions);
} catch (error) {
  const body = error instanceof ApiError ? error.toJSON() : new ApiError("INTERNAL", String(error)).toJSON();
  parentPort?.postMessage({ kind: "failed", error: body } satisfies FromThread);
}

function serve(port: MessagePort, { file, durability, limits, ballastBytes }: WriterOptions): void {
  const db = openForWriting(file, durability);
  migrate(db);
  const generation = generationOf(db);
  const disk = createDisk({ file, minFreeBytes: limits.minFreeBytes, ballastBytes });
  const base = createBase(db, limits);
  const operations = createOperations(base, disk);
  const wal = createWal(db, file);
  const room = durability === "disk" ? growWal(`${file}-wal`, WAL_BYTES) : undefined;
  const stats = () => ({ ...operations.stats(), ...committer.stats() });
  const committer: Committer = createCommitter(base, { operations: { ...operations, stats } as AnyOperations, disk });

  port.on("message", (first: Call) => {
    const calls = [first];
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      calls.push(next.message as Call);
    for (const group of inGroups(calls.filter((call) => call.op !== "close"))) {
      const replies = committer.run(group);
      port.postMessage({ kind: "replies", replies } satisfies FromThread, transfers(replies));
      for (const { input } of group) letGo(input);
    }
    if (calls.some((call) => call.op === "close")) {
      room?.stop();
      close(db, port);
    } else wal.tend();
  });
  port.postMessage({ kind: "ready", info: { generation } } satisfies FromThread);
  // Makes the ballast now, not in the way of the first submit.
  disk.stats();
}

/** Drawn when the database is made, so that an old backup or a new database is noticed (PROTOCOL.md rule 15). */
function generationOf(db: DatabaseSync): string {
  const drawn = randomBytes(6).toString("hex");
  db.prepare("insert into meta(name, value) values('generation', ?) on conflict do nothing").run(drawn);
  return (db.prepare("select value from meta where name = 'generation'").get() as { value: string }).value;
}

function close(db: DatabaseSync, port: MessagePort): void {
  db.exec("pragma wal_checkpoint(truncate)");
  db.close();
  port.close();
}

/** Cuts what waits into transactions, so that a crowd of large submits does not hold back its first for the sake of its last. */
function inGroups(calls: readonly Call[]): Call[][] {
  const groups: Call[][] = [];
  let room = 0;
  for (const call of calls) {
    if (room <= 0) {
      groups.push([]);
      room = TASKS_PER_COMMIT;
    }
    groups.at(-1)?.push(call);
    const { ids, results } = (call.input ?? {}) as { ids?: unknown[]; results?: { ids?: unknown[] } };
    room -= 1 + (ids?.length ?? results?.ids?.length ?? 0);
  }
  return groups;
}

/** The buffers in replies, which are moved and not copied: the bodies of messages, and the arguments of popped tasks. */
function transfers(replies: readonly Reply[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { value } of replies) {
    const { body, popped } = (value ?? {}) as { body?: unknown; popped?: unknown };
    if (body instanceof Uint8Array) buffers.push(bufferOf(body));
    if (!Array.isArray(popped)) continue;
    for (const batch of popped) if (batch?.body instanceof Uint8Array) buffers.push(bufferOf(batch.body));
  }
  return buffers;
}

/** Gives back a body that did not go back with its reply. */
function letGo(input: unknown): void {
  const { body } = (input ?? {}) as { body?: unknown };
  if (body instanceof Uint8Array) freeLarge(body);
}
