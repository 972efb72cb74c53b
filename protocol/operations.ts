/**
 * The table of HTTP operations. It routes and validates in the gateway, becomes /openapi.json and /docs, and types the SDK:
 * an operation that is not here does not exist, and one without a scope does not pass the tests.
 */
import { z } from "zod";
import { EndpointView } from "./endpoint.ts";
import { FunctionDefinition, FunctionView } from "./function.ts";
import { Attempt, BlobRef, CallSpec, Encoding, Name, TaskFailure, TaskState, TaskView } from "./task.ts";

/** What a token may do. `admin` includes every other one but `agent`. */
export const Scope = z.enum(["read", "invoke", "endpoints", "agent", "admin"]).meta({ id: "Scope" });
export type Scope = z.infer<typeof Scope>;

export type Operation = {
  method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** with `{name}` for parameters */
  path: string;
  /** any one of these; `null`: no token needed */
  scope: readonly Scope[] | null;
  summary: string;
  query?: z.ZodType;
  /** JSON body; `bytes`: the raw body; `frame`: also application/vnd.farcall.frames */
  body?: z.ZodType;
  accepts?: "json" | "bytes" | "json-or-frame";
  response?: z.ZodType;
  responds?: "json" | "bytes" | "text" | "events" | "html";
  status?: number;
};

const page = { cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) };
const many = z.union([z.string(), z.array(z.string())]).transform((value) => (Array.isArray(value) ? value : [value]));
const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), cursor: z.string().nullable() });

/** A time for filters: an age such as 90s, 15m, 1h, 7d, or Unix milliseconds, or an ISO date. All are the gateway's time. */
const Since = z
  .string()
  .regex(/^(\d+(ms|s|m|h|d)|\d{10,}|\d{4}-\d\d-\d\d([T ].*)?)$/, "an age (90s, 15m, 1h, 7d), Unix ms or an ISO date");

export const TaskFilter = z.object({
  state: many.pipe(z.array(TaskState)).optional(),
  endpoint: z.string().optional(),
  function: z.string().optional(),
  group: z.string().optional(),
  since: Since.optional(),
  until: Since.optional(),
});
export type TaskFilter = z.infer<typeof TaskFilter>;

export const TaskDetail = TaskView.extend({
  attempts: z.array(Attempt),
  waits: z
    .object({ reason: z.string(), message: z.string() })
    .nullable()
    .meta({ description: "why the task waits, when it does" }),
}).meta({ id: "TaskDetail" });
export type TaskDetail = z.infer<typeof TaskDetail>;

export const SubmitAnswer = z.object({
  accepted: z.int(),
  tasks: z
    .array(z.object({ id: z.string(), code: z.string(), message: z.string() }))
    .meta({ description: "only those that were not accepted, each with its error" }),
  ids: z.array(z.string()).optional().meta({ description: "JSON submits: every id, in order" }),
});
export type SubmitAnswer = z.infer<typeof SubmitAnswer>;

export const TaskResult = z.object({
  id: z.string(),
  state: TaskState,
  encoding: Encoding.optional(),
  value: z.unknown().optional().meta({ description: "the result when it is JSON, else see base64 or blob" }),
  base64: z.string().optional(),
  blob: BlobRef.optional(),
  failure: TaskFailure.optional(),
  endpoint: z.string().optional(),
  attempts: z.array(Attempt).optional(),
});
export type TaskResult = z.infer<typeof TaskResult>;

const JsonTask = z.object({
  id: z.string().optional(),
  spec: z.int().optional(),
  args: z.unknown().optional(),
  blob: z.string().optional(),
  size: z.int().optional(),
  encoding: Encoding.optional(),
  retryOf: z.string().optional(),
});
const TokenView = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  endpoint: z.string().nullable(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  lastUsedAt: z.number().nullable(),
});
const CancelAnswer = z.object({ cancelled: z.int(), alreadyFinished: z.int(), notFound: z.int() });

export const OPERATIONS = {
  health: {
    method: "GET",
    path: "/healthz",
    scope: null,
    summary: "The process answers.",
    response: z.object({ ok: z.boolean(), version: z.string() }),
  },
  ready: {
    method: "GET",
    path: "/readyz",
    scope: null,
    summary: "Database and NATS answer.",
    response: z.object({ ok: z.boolean(), store: z.string(), nats: z.string() }),
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    scope: ["read", "admin"],
    summary: "Prometheus metrics.",
    responds: "text",
  },
  openapi: { method: "GET", path: "/openapi.json", scope: null, summary: "This table as OpenAPI 3.1." },
  docs: { method: "GET", path: "/docs", scope: null, summary: "This table as a page.", responds: "html" },
  me: {
    method: "GET",
    path: "/v1/me",
    scope: ["read", "invoke", "endpoints", "agent", "admin"],
    summary: "Who the token is, and the gateway's clock and limits.",
    response: z.object({
      owner: z.string(),
      scopes: z.array(Scope),
      endpoint: z.string().nullable(),
      now: z.number(),
      version: z.string(),
      durability: z.enum(["disk", "fast"]),
      generation: z.string(),
    }),
  },

  createToken: {
    method: "POST",
    path: "/v1/tokens",
    scope: ["admin"],
    summary: "Make a token; it is shown once.",
    status: 201,
    body: z.strictObject({
      name: z.string().min(1).max(100),
      owner: Name.optional(),
      scopes: z.array(Scope).min(1),
      expiresInMs: z.int().positive().nullable().optional(),
    }),
    response: z.object({ token: z.string(), view: TokenView }),
  },
  listTokens: {
    method: "GET",
    path: "/v1/tokens",
    scope: ["admin"],
    summary: "List tokens, without their secrets.",
    response: z.object({ items: z.array(TokenView) }),
  },
  revokeToken: {
    method: "DELETE",
    path: "/v1/tokens/{token}",
    scope: ["admin"],
    summary: "Revoke a token; open streams of it end.",
    response: z.object({ ok: z.boolean() }),
  },

  registerFunction: {
    method: "POST",
    path: "/v1/functions",
    scope: ["invoke", "admin"],
    summary:
      "Register a function; the same content is the same function. As a frame: the header is the body's schema without `code`, the frame's body the code's bytes.",
    status: 201,
    accepts: "json-or-frame",
    body: z.strictObject({
      name: Name,
      definition: FunctionDefinition.partial({ code: true }),
      code: z.string().optional(),
    }),
    response: FunctionView,
  },
  listFunctions: {
    method: "GET",
    path: "/v1/functions",
    scope: ["read", "invoke", "admin"],
    summary: "List your functions, newest first.",
    query: z.object({ name: z.string().optional(), ...page }),
    response: pageOf(FunctionView),
  },
  getFunction: {
    method: "GET",
    path: "/v1/functions/{function}",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "A function by id, or the newest of a name.",
    response: FunctionView,
  },
  getFunctionCode: {
    method: "GET",
    path: "/v1/functions/{function}/code",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "The code's bytes.",
    responds: "bytes",
  },
  deleteFunction: {
    method: "DELETE",
    path: "/v1/functions/{function}",
    scope: ["invoke", "admin"],
    summary: "Delete a function; tasks of it that have not started fail with FUNCTION_GONE.",
    response: z.object({ ok: z.boolean() }),
  },

  createEndpoint: {
    method: "POST",
    path: "/v1/endpoints",
    scope: ["endpoints", "admin"],
    summary: "Register an endpoint; the answer holds its agent's token, shown once.",
    status: 201,
    body: z.strictObject({ name: Name, description: z.string().max(500).default("") }),
    response: z.object({ endpoint: EndpointView, token: z.string() }),
  },
  listEndpoints: {
    method: "GET",
    path: "/v1/endpoints",
    scope: ["read", "invoke", "endpoints", "admin"],
    summary: "List endpoints.",
    query: z.object(page),
    response: pageOf(EndpointView),
  },
  getEndpoint: {
    method: "GET",
    path: "/v1/endpoints/{endpoint}",
    scope: ["read", "invoke", "endpoints", "agent", "admin"],
    summary: "An endpoint by id or name, with its blocks.",
    response: EndpointView,
  },
  deleteEndpoint: {
    method: "DELETE",
    path: "/v1/endpoints/{endpoint}",
    scope: ["endpoints", "admin"],
    summary: "Delete an endpoint; its unfinished tasks are cancelled.",
    response: z.object({ ok: z.boolean(), cancelled: z.int() }),
  },
  drainEndpoint: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/drain",
    scope: ["endpoints", "admin"],
    summary: "Let an endpoint finish and take nothing new, or take that back.",
    body: z.strictObject({ drain: z.boolean() }),
    response: z.object({ ok: z.boolean() }),
  },
  declareDead: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/declare-dead",
    scope: ["endpoints", "admin"],
    summary: "State that the endpoint's host is gone: its leased tasks are placed again at once. Audited.",
    response: z.object({ ok: z.boolean(), released: z.int() }),
  },
  endpointCredentials: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/credentials",
    scope: ["agent"],
    summary: "A short-lived NATS user for the agent's public key.",
    body: z.strictObject({ userKey: z.string().regex(/^U[A-Z2-7]{55}$/) }),
    response: z.object({ jwt: z.string(), servers: z.array(z.string()), expiresAt: z.number() }),
  },

  submitTasks: {
    method: "POST",
    path: "/v1/tasks",
    scope: ["invoke", "admin"],
    summary:
      "Submit up to 1,000 tasks. 202 after they are on disk. As a frame: the header is { specs, tasks }, the body the arguments' bytes.",
    status: 202,
    accepts: "json-or-frame",
    body: z.strictObject({ specs: z.array(CallSpec).min(1), tasks: z.array(JsonTask).min(1).max(1000) }),
    response: SubmitAnswer,
  },
  listTasks: {
    method: "GET",
    path: "/v1/tasks",
    scope: ["read", "invoke", "admin"],
    summary: "List tasks, newest first.",
    query: z.object({ ...TaskFilter.shape, ...page, order: z.enum(["newest", "oldest"]).default("newest") }),
    response: pageOf(TaskView),
  },
  countTasks: {
    method: "GET",
    path: "/v1/tasks/counts",
    scope: ["read", "invoke", "admin"],
    summary: "Tasks by state, each counted up to 10,000.",
    query: TaskFilter,
    response: z.object({ counts: z.record(z.string(), z.int()), cappedAt: z.int() }),
  },
  cancelTasks: {
    method: "POST",
    path: "/v1/tasks/cancel",
    scope: ["invoke", "admin"],
    summary: "Cancel tasks by id, or all unfinished ones of a group, function, endpoint or state.",
    body: z.strictObject({
      ids: z.array(z.string()).max(1000).optional(),
      group: z.string().optional(),
      function: z.string().optional(),
      endpoint: z.string().optional(),
      all: z.literal(true).optional(),
    }),
    response: CancelAnswer,
  },
  getTask: {
    method: "GET",
    path: "/v1/tasks/{task}",
    scope: ["read", "invoke", "admin"],
    summary: "A task with its attempts, and why it waits.",
    response: TaskDetail,
  },
  taskResult: {
    method: "GET",
    path: "/v1/tasks/{task}/result",
    scope: ["read", "invoke", "admin"],
    summary: "The result; waits up to waitMs for the end. 202 when it has not ended by then.",
    query: z.object({ waitMs: z.coerce.number().int().min(0).max(60_000).default(0) }),
    response: TaskResult,
  },
  taskResultBytes: {
    method: "GET",
    path: "/v1/tasks/{task}/result/bytes",
    scope: ["read", "invoke", "admin"],
    summary: "The result's bytes as they are; the header farcall-encoding names their encoding.",
    responds: "bytes",
  },
  taskArguments: {
    method: "GET",
    path: "/v1/tasks/{task}/arguments",
    scope: ["read", "invoke", "admin"],
    summary: "The arguments' bytes as they are; the header farcall-encoding names their encoding.",
    responds: "bytes",
  },
  taskLogs: {
    method: "GET",
    path: "/v1/tasks/{task}/logs",
    scope: ["read", "invoke", "admin"],
    summary: "The output's tail; with follow=true, an event stream of the output until the task ends.",
    query: z.object({
      follow: z.enum(["true", "false"]).default("false"),
      stream: z.enum(["stdout", "stderr", "both"]).default("both"),
    }),
    response: z.object({
      stdout: z.string(),
      stderr: z.string(),
      stdoutTotal: z.int(),
      stderrTotal: z.int(),
      truncated: z.boolean(),
    }),
    responds: "events",
  },
  cancelTask: {
    method: "POST",
    path: "/v1/tasks/{task}/cancel",
    scope: ["invoke", "admin"],
    summary: "Cancel a task; says whether the cancel or the end came first.",
    response: z.object({ cancelled: z.boolean(), state: TaskState }),
  },
  retryTask: {
    method: "POST",
    path: "/v1/tasks/{task}/retry",
    scope: ["invoke", "admin"],
    summary: "Submit a finished task again as a new one that names it in retryOf.",
    status: 202,
    body: z.strictObject({ id: z.string().optional() }).optional(),
    response: z.object({ id: z.string() }),
  },
  invoke: {
    method: "POST",
    path: "/v1/functions/{function}/invoke",
    scope: ["invoke", "admin"],
    summary: "Call a function and wait for its result, for curl. 202 with the id when it has not ended by waitMs.",
    body: z.strictObject({
      args: z.unknown().optional(),
      id: z.string().optional(),
      waitMs: z.int().min(0).max(60_000).default(30_000),
      ...CallSpec.omit({ function: true }).shape,
    }),
    response: TaskResult,
  },
  listGroups: {
    method: "GET",
    path: "/v1/groups",
    scope: ["read", "invoke", "admin"],
    summary: "Named groups of tasks, newest first.",
    query: z.object(page),
    response: pageOf(z.object({ name: z.string(), createdAt: z.number(), unfinished: z.int() })),
  },
  events: {
    method: "GET",
    path: "/v1/events",
    scope: ["read", "invoke", "admin"],
    summary: "The event stream of groups of tasks (or of all yours), resumable with Last-Event-ID.",
    query: z.object({
      group: many.optional(),
      after: z.string().optional(),
      results: z.enum(["true", "false"]).default("true"),
    }),
    responds: "events",
  },

  putBlob: {
    method: "PUT",
    path: "/v1/blobs/{blob}",
    scope: ["invoke", "agent", "admin"],
    summary:
      "Store a payload under the SHA-256 of its bytes; streamed, up to 1 GiB. Agents name the task it belongs to.",
    accepts: "bytes",
    query: z.object({ task: z.string().optional() }),
    status: 201,
    response: BlobRef,
  },
  headBlob: {
    method: "HEAD",
    path: "/v1/blobs/{blob}",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "Whether a blob is stored.",
    query: z.object({ task: z.string().optional() }),
    responds: "bytes",
  },
  getBlob: {
    method: "GET",
    path: "/v1/blobs/{blob}",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "A blob's bytes, with Range.",
    query: z.object({ task: z.string().optional() }),
    responds: "bytes",
  },
  listAudit: {
    method: "GET",
    path: "/v1/audit",
    scope: ["admin"],
    summary: "The audit log, newest first.",
    query: z.object(page),
    response: pageOf(
      z.object({
        seq: z.int(),
        at: z.number(),
        actor: z.string(),
        action: z.string(),
        target: z.string(),
        outcome: z.string(),
      }),
    ),
  },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
type Part<N extends OperationName, K extends string> =
  (typeof OPERATIONS)[N] extends Record<K, infer S extends z.ZodType> ? S : never;
/** What an operation takes as query, takes as body, and answers. */
export type QueryOf<N extends OperationName> = z.input<Part<N, "query">>;
export type BodyOf<N extends OperationName> = z.input<Part<N, "body">>;
export type ResponseOf<N extends OperationName> = z.output<Part<N, "response">>;
