/** The reader's thread: answers reads on a connection that cannot write, so that none of them can stop a commit. */
import type { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { ApiError } from "../../../../protocol/errors.ts";
import { openForReading } from "../connection.ts";
import type { Call, FromThread, Reply } from "../thread-messages.ts";
import { createReads, type Reads } from "./reads.ts";

const port = parentPort as NonNullable<typeof parentPort>;
let opened: { db: DatabaseSync; reads: Reads } | undefined;

port.on("message", async (call: Call) => {
  if (call.op === "close") {
    // Reads under way find their next statement closed and say so.
    opened?.db.close();
    port.close();
    return;
  }
  port.postMessage({ kind: "replies", replies: [await answer(call)] } satisfies FromThread);
});
port.postMessage({ kind: "ready", info: { generation: "" } } satisfies FromThread);

/** Opens the database at the first call: by then the writer has made and checked it. */
function open(): Reads {
  if (!opened) {
    const db = openForReading((workerData as { file: string }).file);
    opened = { db, reads: createReads(db) };
  }
  return opened.reads;
}

async function answer({ n, op, input }: Call): Promise<Reply> {
  try {
    return { n, value: await (open()[op as keyof Reads] as (input: unknown) => unknown)(input) };
  } catch (error) {
    if (error instanceof ApiError) return { n, error: error.toJSON() };
    const { message, stack } = error as Error;
    return {
      n,
      error: new ApiError("UNAVAILABLE", `the store cannot be read: ${message}`, { details: { stack } }).toJSON(),
    };
  }
}
