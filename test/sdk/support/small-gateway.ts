/**
 * A small HTTP server that answers as a gateway does and runs JavaScript functions by itself, so that a test can decide
 * what goes wrong between it and a client: replies lost, streams cut, queues full.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { SubmitHeader } from "../../../protocol/batch.ts";
import { ApiError, type ErrorCode } from "../../../protocol/errors.ts";
import type { TaskEvent } from "../../../protocol/events.ts";
import { decodeFrame } from "../../../protocol/frame.ts";
import { type CallSpec, isTerminal } from "../../../protocol/task.ts";
import { createEventLog, type EventLog } from "./event-log.ts";
import { countTasks, listTasks, resultOf, viewOf } from "./reads.ts";
import { type Outcome, runModule } from "./run-module.ts";

export type SmallTask = {
  id: string;
  spec: CallSpec;
  encoding: string;
  args: Uint8Array;
  event: TaskEvent;
  result?: Uint8Array;
  endedAt?: number;
};

export type SmallGateway = {
  url: string;
  readonly tasks: Map<string, SmallTask>;
  readonly functions: Map<string, { name: string; code: Uint8Array; entry: string }>;
  readonly blobs: Map<string, Uint8Array>;
  /** every request: method and path, and the number of tasks in a submit */
  readonly requests: {
    method: string;
    path: string;
    tasks?: number;
    groups?: number;
    headers: Record<string, unknown>;
  }[];
  readonly log: EventLog;
  /** up to where tasks are counted */
  countCap: number;
  /** the bytes of the request that is looked at */
  lastBody: Buffer;
  /** Runs before a request is looked at; an answer of its own ends it there. */
  intercept?: (request: IncomingMessage, response: ServerResponse, path: string) => boolean | Promise<boolean>;
  /** Runs instead of the function. */
  run?: (task: SmallTask) => Promise<Outcome>;
  /** Runs after a submit is stored and before it is answered: true loses the reply. */
  loseReply?: (path: string) => boolean;
  /** Ends a task as if a worker had. */
  end(id: string, outcome: Outcome): void;
  requestsTo(pattern: RegExp): SmallGateway["requests"];
  close(): Promise<void>;
};

/** Starts the server on a free port of the loopback. */
export async function startSmallGateway(): Promise<SmallGateway> {
  const log = createEventLog();
  const gateway: SmallGateway = {
    url: "",
    tasks: new Map(),
    functions: new Map(),
    blobs: new Map(),
    requests: [],
    log,
    countCap: 10_000,
    lastBody: Buffer.alloc(0),
    end: (id, outcome) => endTask(gateway, id, outcome),
    requestsTo: (pattern) => gateway.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`)),
    close: () =>
      new Promise((resolve) => {
        log.cut();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    handle(gateway, request, response).catch((error: unknown) => {
      const refusal = error instanceof ApiError ? error : new ApiError("INTERNAL", String(error));
      reply(response, refusal.status, { error: refusal });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  gateway.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return gateway;
}

async function handle(gateway: SmallGateway, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", gateway.url);
  const body = await readBody(request);
  const path = url.pathname;
  const groups = url.searchParams.getAll("group").length;
  gateway.requests.push({ method: request.method ?? "", path, groups, headers: request.headers });
  gateway.lastBody = Buffer.from(body);
  if (await gateway.intercept?.(request, response, path)) return;
  const route = `${request.method} ${path}`;
  const answer = await answerTo(gateway, route, { url, body, request, response });
  if (answer === undefined) return;
  if (gateway.loseReply?.(path)) request.socket.destroy();
  else if (answer.value instanceof Uint8Array) {
    response.writeHead(200, { "farcall-encoding": answer.encoding ?? "json" }).end(answer.value);
  } else reply(response, answer.status, answer.value);
}

type Exchange = { url: URL; body: Uint8Array; request: IncomingMessage; response: ServerResponse };
type Reply = { status: number; value: unknown; encoding?: string };

async function answerTo(gateway: SmallGateway, route: string, exchange: Exchange): Promise<Reply | undefined> {
  const { url, body, request, response } = exchange;
  if (route === "GET /v1/events") {
    gateway.log.open(response, {
      groups: url.searchParams.getAll("group"),
      after: request.headers["last-event-id"] as string | undefined,
    });
    return undefined;
  }
  if (route === "POST /v1/functions") return { status: 201, value: await registerFunction(gateway, body) };
  if (route === "POST /v1/tasks") return { status: 202, value: submit(gateway, body) };
  if (route === "POST /v1/tasks/cancel") return { status: 200, value: cancel(gateway, JSON.parse(text(body))) };
  if (route === "GET /v1/tasks") return { status: 200, value: listTasks(gateway.tasks.values(), url.searchParams) };
  if (route === "GET /v1/tasks/counts") {
    return { status: 200, value: countTasks(gateway.tasks.values(), url.searchParams, gateway.countCap) };
  }
  if (route === "GET /v1/me") return { status: 200, value: { now: Date.now(), generation: gateway.log.generation } };
  const blob = /^PUT \/v1\/blobs\/(\w+)$/.exec(route)?.[1];
  if (blob) {
    gateway.blobs.set(blob, body);
    return { status: 201, value: { blob, size: body.length } };
  }
  const [, id = "", rest = ""] = /^\w+ \/v1\/tasks\/([^/]+)\/?(.*)$/.exec(route) ?? [];
  const task = gateway.tasks.get(id);
  if (!task) throw new ApiError("NOT_FOUND", `nothing at ${route}`);
  if (rest === "result/bytes") {
    return { status: 200, value: task.result ?? new Uint8Array(0), encoding: task.event.encoding ?? "json" };
  }
  if (rest === "cancel") {
    cancel(gateway, { ids: [id] });
    return { status: 200, value: { cancelled: true, state: "cancelled" } };
  }
  if (rest === "result") return { status: 200, value: resultOf(task) };
  return { status: 200, value: viewOf(task) };
}

async function registerFunction(gateway: SmallGateway, bytes: Uint8Array): Promise<unknown> {
  const { header, body } = decodeFrame(bytes);
  const { name, definition } = header as { name: string; definition: { entry: string; code: string; runtime: string } };
  const { definitionText, sha256Hex } = await import("../../../protocol/function.ts");
  const id = await sha256Hex(definitionText(definition as never));
  if ((await sha256Hex(body)) !== definition.code) throw new ApiError("BAD_REQUEST", "the code's hash is another");
  gateway.functions.set(id, { name, code: body.slice(), entry: definition.entry });
  return { id, name };
}

function submit(gateway: SmallGateway, bytes: Uint8Array): unknown {
  const { header, body } = decodeFrame(bytes);
  const { specs, tasks } = header as SubmitHeader;
  const last = gateway.requests.at(-1);
  if (last) last.tasks = tasks.length;
  const refused: { id: string; code: ErrorCode; message: string }[] = [];
  let offset = 0;
  for (const entry of tasks) {
    const spec = specs[entry.spec ?? 0] as CallSpec;
    const args =
      entry.blob === undefined ? body.subarray(offset, offset + (entry.length ?? 0)) : gateway.blobs.get(entry.blob);
    offset += entry.blob === undefined ? (entry.length ?? 0) : 0;
    if (!gateway.functions.has(spec.function))
      refused.push({ id: entry.id, code: "FUNCTION_UNKNOWN", message: spec.function });
    else if (!args) refused.push({ id: entry.id, code: "BLOB_MISSING", message: String(entry.blob) });
    else if (!gateway.tasks.has(entry.id)) {
      const event: TaskEvent = { id: entry.id, state: "queued" };
      const task = { id: entry.id, spec, encoding: entry.encoding ?? "json", args: args.slice(), event };
      gateway.tasks.set(entry.id, task);
      void execute(gateway, task);
    }
  }
  if (refused.length === tasks.length) throw new ApiError(refused[0]?.code as ErrorCode, refused[0]?.message ?? "");
  return { accepted: tasks.length - refused.length, tasks: refused };
}

async function execute(gateway: SmallGateway, task: SmallTask): Promise<void> {
  const fn = gateway.functions.get(task.spec.function);
  const outcome = gateway.run
    ? await gateway.run(task)
    : await runModule(fn as { code: Uint8Array; entry: string }, task);
  endTask(gateway, task.id, outcome);
}

function endTask(gateway: SmallGateway, id: string, outcome: Outcome): void {
  const task = gateway.tasks.get(id);
  if (!task || isTerminal(task.event.state)) return;
  const state = outcome.failure ? (outcome.failure.code === "CANCELLED" ? "cancelled" : "failed") : "succeeded";
  const { failure, encoding, bytes } = outcome;
  task.event = {
    id,
    state,
    ...(failure ? { failure, endpoint: "small", attempts: [] } : {}),
    ...(encoding ? { encoding } : {}),
  };
  if (bytes) task.result = bytes;
  task.endedAt = Date.now();
  gateway.log.append(task.spec.group ?? "", task.event, outcome.blob ? undefined : bytes);
}

function cancel(gateway: SmallGateway, selection: { ids?: string[]; group?: string }): unknown {
  const ofGroup = () => [...gateway.tasks.values()].filter(({ spec }) => spec.group === selection.group);
  const ids = selection.ids ?? ofGroup().map(({ id }) => id);
  let cancelled = 0;
  for (const id of ids) {
    const task = gateway.tasks.get(id);
    if (!task || isTerminal(task.event.state)) continue;
    endTask(gateway, id, { failure: { code: "CANCELLED", message: "cancelled" } });
    cancelled++;
  }
  return { cancelled, alreadyFinished: 0, notFound: ids.length - cancelled };
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}
