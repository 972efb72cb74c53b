/** The SQLite adapter of the store: a thread that writes, a thread that reads, and this side of both. */
import type { FunctionView } from "../../../protocol/function.ts";
import type { EndpointRow, Store, StoreLimits } from "../port.ts";
import { createSpecCache, poppedHandout } from "./calls/popped.ts";
import { reportMessage, reportOutput } from "./calls/report-call.ts";
import { submitMessage, submitOutput } from "./calls/submit-call.ts";
import type { Durability } from "./connection.ts";
import type { ReadInput, ReadName, ReadOutput } from "./reader/reads.ts";
import { startThread } from "./thread.ts";
import type { WriterOptions } from "./writer/main.ts";
import type { Input, OperationName, Output } from "./writer/operations.ts";

export type SqliteStoreOptions = {
  /** the database's file; its directory exists */
  file: string;
  durability: Durability;
  limits: StoreLimits;
  /** Unix milliseconds */
  now?: () => number;
};

/**
 * Opens the store in `file`, making it when there is none.
 * Throws STORE_CORRUPT, and touches nothing, when the file does not pass the integrity check.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { file, durability, limits, now = Date.now } = options;
  const data: WriterOptions = { file, durability, limits };
  const writer = await startThread(new URL("./writer/main.ts", import.meta.url), { data, now });
  const reader = await startThread(new URL("./reader/main.ts", import.meta.url), { data: { file }, now });
  const specs = createSpecCache();

  function write<N extends OperationName>(op: N, input: Input<N>, transfer?: ArrayBuffer[]): Promise<Output<N>> {
    return writer.call(op, input, transfer) as Promise<Output<N>>;
  }
  function read<N extends ReadName>(
    op: N,
    ...input: Parameters<(input: ReadInput<N>) => void>
  ): Promise<ReadOutput<N>> {
    return reader.call(op, input[0]) as Promise<ReadOutput<N>>;
  }

  const store: Partial<Store> = {
    generation: writer.info.generation,
    async submit(input) {
      const message = submitMessage(input);
      return submitOutput(input, await write("submit", message, [message.body.buffer as ArrayBuffer]), specs);
    },
    async pop(pulls) {
      const { popped, queued } = await write("pop", { pulls });
      return { handouts: popped.map((batch) => poppedHandout(batch, specs)), events: [], kills: [], queued };
    },
    async report(input) {
      const message = reportMessage(input);
      return reportOutput(input, await write("report", message, [message.body.buffer as ArrayBuffer]), specs);
    },
    startEpoch: (endpoint, hello, options) => write("startEpoch", { endpoint, hello, ...options }),
    epochOf: (endpoint) => write("epochOf", { endpoint }),
    openPull: (endpoint, epoch, pull) => write("openPull", { endpoint, epoch, pull }),
    takeBack: (endpoint, leases) => write("takeBack", { endpoint, leases }),
    leasesOf: (endpoint, beforeMs) => write("leasesOf", { endpoint, beforeMs }),
    reconcile: (endpoint, held, beforeMs) => write("reconcile", { endpoint, held, beforeMs }),
    releaseAll: (endpoint, options) => write("releaseAll", { endpoint, ...options }),
    waiting: (endpoint, countUpTo) => write("waiting", { endpoint, countUpTo }),
    getTask: (id, owner) => read("getTask", { id, owner }),
    attemptsOf: (id) => read("attemptsOf", { id }),
    payloadOf: (id, which) => read("payloadOf", { id, which }),
    outputOf: (id) => read("outputOf", { id }),
    async putFunction(row) {
      await write("putFunction", { ...row, code: new Uint8Array(row.code) });
      return (await read("getFunction", { name: row.id, owner: row.owner })) as FunctionView;
    },
    getFunction: (name, owner) => read("getFunction", { name, owner }),
    functionCode: (id) => read("functionCode", { id }),
    listFunctions: (owner, page) => read("listFunctions", { owner, page }),
    async putEndpoint(row) {
      await write("putEndpoint", row);
      return (await read("getEndpoint", { id: row.id })) as EndpointRow;
    },
    getEndpoint: (id) => read("getEndpoint", { id }),
    listEndpoints: (page) => read("listEndpoints", page),
    setDraining: (endpoint, draining) => write("setDraining", { endpoint, draining }),
    putToken: (row) => write("putToken", row),
    findToken: (hash) => read("findToken", { hash }),
    touchTokens: (used) => write("touchTokens", used),
    listTokens: () => read("listTokens", undefined as never),
    revokeToken: (id) => write("revokeToken", { id }),
    putBlob: (row) => write("putBlob", row),
    getBlob: (hash, owner) => read("getBlob", { hash, owner }),
    sweepBlobs: (untouchedMs, limit) => write("sweepBlobs", { untouchedMs, limit }),
    audit: (entry) => write("audit", entry),
    listAudit: (page) => read("listAudit", page),
    async close() {
      await reader.close();
      await writer.close();
    },
  };
  return store as Store;
}
