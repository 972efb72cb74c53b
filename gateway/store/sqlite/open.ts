/** The SQLite adapter of the store: a thread that writes, a thread that reads, and this side of both. */
import { ApiError } from "../../../protocol/errors.ts";
import type { FunctionView } from "../../../protocol/function.ts";
import type { EndpointRow, Store, StoreLimits, StoreStats } from "../port.ts";
import { createSpecCache, poppedHandout } from "./calls/popped.ts";
import { reportMessage, reportOutput } from "./calls/report-call.ts";
import { submitMessage, submitOutput } from "./calls/submit-call.ts";
import type { Durability } from "./connection.ts";
import type { ReadInput, ReadName, ReadOutput } from "./reader/reads.ts";
import { inSlices } from "./slices.ts";
import { startThread, type Thread } from "./thread.ts";
import type { WriterOptions } from "./writer/main.ts";
import type { Input, OperationName, Output } from "./writer/operations.ts";

export type SqliteStoreOptions = {
  /** the database's file; its directory exists */
  file: string;
  durability: Durability;
  limits: StoreLimits;
  /** Unix milliseconds */
  now?: () => number;
  /** what is given up when the disk is full, so that results still land (PROTOCOL.md rule 27) */
  ballastBytes?: number;
  /** A thread of the store died: nothing is stored or read any more, and only a new start helps. */
  onDeath?: (cause: Error) => void;
};

const BALLAST_BYTES = 32 * 1024 * 1024;
/** A database that has not answered by then does not answer. */
const ANSWER_MS = 5000;

/**
 * Opens the store in `file`, making it when there is none.
 * Throws STORE_CORRUPT, and touches nothing, when the file does not pass the integrity check.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { file, durability, limits, now = Date.now, ballastBytes = BALLAST_BYTES, onDeath } = options;
  const data: WriterOptions = { file, durability, limits, ballastBytes };
  const starting = startThread(new URL("./reader/main.ts", import.meta.url), { data: { file }, now, onDeath });
  const writer = await startThread(new URL("./writer/main.ts", import.meta.url), { data, now, onDeath }).catch(
    async (error) => {
      await (await starting).close();
      throw error;
    },
  );
  const reader = await starting;
  return {
    generation: writer.info.generation,
    ...hotPath(writer),
    ...agentCalls(writer),
    ...taskCalls(writer, reader),
    ...registryCalls(writer, reader),
    async close() {
      await reader.close();
      await writer.close();
    },
  };
}

function callers(writer: Thread, reader?: Thread) {
  return {
    write<N extends OperationName>(op: N, input: Input<N>, transfer?: ArrayBuffer[]): Promise<Output<N>> {
      return writer.call(op, input, transfer) as Promise<Output<N>>;
    },
    read<N extends ReadName>(op: N, input: ReadInput<N>): Promise<ReadOutput<N>> {
      return (reader as Thread).call(op, input) as Promise<ReadOutput<N>>;
    },
  };
}

function hotPath(writer: Thread): Pick<Store, "submit" | "pop" | "report"> {
  const { write } = callers(writer);
  const specs = createSpecCache();
  return {
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
  };
}

function agentCalls(writer: Thread) {
  const { write } = callers(writer);
  return {
    startEpoch: (endpoint, hello, options) => write("startEpoch", { endpoint, hello, ...options }),
    epochOf: (endpoint) => write("epochOf", { endpoint }),
    openPull: (endpoint, epoch, pull) => write("openPull", { endpoint, epoch, pull }),
    takeBack: (endpoint, leases) => write("takeBack", { endpoint, leases }),
    leasesOf: (endpoint, beforeMs) => write("leasesOf", { endpoint, beforeMs }),
    reconcile: (endpoint, held, beforeMs) => write("reconcile", { endpoint, held, beforeMs }),
    releaseAll: (endpoint, options) => write("releaseAll", { endpoint, ...options }),
    waiting: (endpoint, countUpTo) => write("waiting", { endpoint, countUpTo }),
    setDraining: (endpoint, draining) => write("setDraining", { endpoint, draining }),
    tick: (limit) => write("tick", { limit }),
    retain: (limit) => write("retain", { limit }),
    lastSequence: () => write("lastSequence", undefined as never),
    stats: () => withDeadline(writer.call("stats", null) as Promise<StoreStats>),
  } satisfies Partial<Store>;
}

function taskCalls(writer: Thread, reader: Thread) {
  const { write, read } = callers(writer, reader);
  return {
    async cancel(selection, onSlice) {
      const sum = { cancelled: [] as string[], count: 0, alreadyFinished: 0, notFound: 0 };
      const effects = await inSlices((from) => write("cancel", { selection, from }), {
        onSlice,
        add(slice) {
          if (!onSlice) for (const id of slice.ended) sum.cancelled.push(id);
          sum.count += slice.ended.length;
          sum.alreadyFinished += slice.alreadyFinished;
          sum.notFound += slice.notFound;
        },
      });
      return { ...effects, ...sum };
    },
    getTask: (id, owner) => read("getTask", { id, owner }),
    attemptsOf: (id) => read("attemptsOf", { id }),
    listTasks: (query) => read("listTasks", query),
    countTasks: (filter, cap) => read("countTasks", { filter, cap }),
    payloadOf: (id, which) => read("payloadOf", { id, which }),
    outputOf: (id) => read("outputOf", { id }),
    listGroups: (owner, page) => read("listGroups", { owner, page }),
    eventsAfter: (filter, after, limit) => read("eventsAfter", { filter, after, limit }),
  } satisfies Partial<Store>;
}

function registryCalls(writer: Thread, reader: Thread) {
  const { write, read } = callers(writer, reader);
  return {
    async putFunction(row) {
      await write("putFunction", { ...row, code: new Uint8Array(row.code) });
      return (await read("getFunction", { name: row.id, owner: row.owner })) as FunctionView;
    },
    getFunction: (name, owner) => read("getFunction", { name, owner }),
    functionCode: (id) => read("functionCode", { id }),
    listFunctions: (owner, page) => read("listFunctions", { owner, page }),
    async deleteFunction(id, owner, onSlice) {
      let deleted = false;
      const effects = await inSlices((from) => write("deleteFunction", { id, owner, from }), {
        onSlice,
        add: (slice) => {
          deleted = slice.deleted;
        },
      });
      return { ...effects, deleted };
    },
    async putEndpoint(row) {
      await write("putEndpoint", row);
      return (await read("getEndpoint", { id: row.id })) as EndpointRow;
    },
    getEndpoint: (id) => read("getEndpoint", { id }),
    listEndpoints: (page) => read("listEndpoints", page),
    async deleteEndpoint(endpoint, onSlice) {
      let cancelled = 0;
      const effects = await inSlices((from) => write("deleteEndpoint", { endpoint, from }), {
        onSlice,
        add: (slice) => {
          cancelled += slice.ended.length;
        },
      });
      return { ...effects, cancelled };
    },
    putToken: (row) => write("putToken", row),
    findToken: (hash) => read("findToken", { hash }),
    touchTokens: (used) => write("touchTokens", used),
    listTokens: () => read("listTokens", undefined as never),
    revokeToken: (id) => write("revokeToken", { id }),
    putCredential: (row) => write("putCredential", row),
    revokedUsers: () => write("revokedUsers", undefined as never),
    putBlob: (row) => write("putBlob", row),
    getBlob: (hash, owner) => read("getBlob", { hash, owner }),
    sweepBlobs: (untouchedMs, limit) => write("sweepBlobs", { untouchedMs, limit }),
    audit: (entry) => write("audit", entry),
    listAudit: (page) => read("listAudit", page),
  } satisfies Partial<Store>;
}

/** Rejects with UNAVAILABLE when the answer takes too long. */
async function withDeadline<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiError("UNAVAILABLE", "the database does not answer")), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
