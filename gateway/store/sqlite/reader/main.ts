/** The reader's thread: answers reads on a connection that cannot write, so that none of them can stop a commit. */
import { parentPort, workerData } from "node:worker_threads";
import { ApiError } from "../../../../protocol/errors.ts";
import { openForReading } from "../connection.ts";
import type { Call, FromThread, Reply } from "../thread-messages.ts";
import { createReads, type Reads } from "./reads.ts";

const port = parentPort as NonNullable<typeof parentPort>;
const db = openForReading((workerData as { file: string }).file);
const reads = createReads(db);

port.on("message", async (call: Call) => {
  if (call.op === "close") {
    // Reads under way find their next statement closed and say so.
    db.close();
    port.close();
    return;
  }
  port.postMessage({ kind: "replies", replies: [await answer(call)] } satisfies FromThread);
});
port.postMessage({ kind: "ready", info: { generation: "" } } satisfies FromThread);

async function answer({ n, op, input }: Call): Promise<Reply> {
  try {
    return { n, value: await (reads[op as keyof Reads] as (input: unknown) => unknown)(input) };
  } catch (error) {
    if (error instanceof ApiError) return { n, error: error.toJSON() };
    const { message, stack } = error as Error;
    return {
      n,
      error: new ApiError("UNAVAILABLE", `the store cannot be read: ${message}`, { details: { stack } }).toJSON(),
    };
  }
}
