/** The HTTP client: typed by the table of operations, repeats what may be repeated, throws what the gateway said. */
import { ApiError } from "../../protocol/errors.ts";
import { OPERATIONS, type Operation, type OperationName, type ResponseOf } from "../../protocol/operations.ts";
import type { Connection, Outage } from "../options.ts";
import { buildPath, type LooseRequest, type RequestOf } from "./request.ts";
import { NoAnswer, parseRetryAfter, type RetryPolicy, retryDelay, sleep } from "./retry.ts";
import type { Answer, Transport } from "./transport.ts";

export type SendOptions = LooseRequest & {
  /** sent as it is, instead of a JSON body */
  bytes?: { type: string; data: Uint8Array };
  headers?: Record<string, string>;
  /** false: one try only (the event stream has a loop of its own) */
  retry?: boolean;
  /** false: QUEUE_FULL is for the caller to deal with */
  waitForRoom?: boolean;
};

export type HttpClient = {
  /** A JSON operation. */
  call<N extends OperationName>(name: N, request?: RequestOf<N>): Promise<ResponseOf<N>>;
  /** Any operation, its whole body read. */
  read(name: OperationName, options?: SendOptions): Promise<{ answer: Answer; bytes: Uint8Array }>;
  /** Any operation whose body is read as it comes; resolves to an answer with a status below 400. */
  send(name: OperationName, options?: SendOptions): Promise<Answer>;
};

/** Where requests go, known once the profile is read. */
export type Link = { connection: Connection; transport: Transport };

export type HttpClientDeps = {
  connect: () => Promise<Link>;
  retry: Pick<RetryPolicy, "retryForMs" | "connectForMs">;
  signal: AbortSignal;
  onOutage?: ((outage: Outage | undefined) => void) | undefined;
};

/** Safe to send again when the outcome is unknown: all that only read, and those named by ids of ours. */
const REPEATABLE: ReadonlySet<OperationName> = new Set([
  "registerFunction",
  "submitTasks",
  "cancelTasks",
  "cancelTask",
  "drainEndpoint",
  "declareDead",
]);

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Makes the client over a transport. */
export function createHttpClient({ connect, retry, signal: closed, onOutage }: HttpClientDeps): HttpClient {
  let reached = false;
  let silentSince: number | undefined;

  function noAnswer(url: string, error: unknown): NoAnswer {
    const now = performance.now();
    silentSince ??= now;
    onOutage?.({ url, forMs: now - silentSince, why: describe(error) });
    return new NoAnswer(`${url} does not answer (${describe(error)})`, { cause: error });
  }

  function answered(): void {
    reached = true;
    if (silentSince === undefined) return;
    silentSince = undefined;
    onOutage?.(undefined);
  }

  async function once(name: OperationName, options: SendOptions): Promise<Answer> {
    const { connection, transport } = await connect();
    const operation: Operation = OPERATIONS[name];
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    if (connection.token) headers.authorization = `Bearer ${connection.token}`;
    let body = options.bytes?.data;
    if (options.bytes) headers["content-type"] = options.bytes.type;
    else if (options.body !== undefined) {
      headers["content-type"] = "application/json";
      body = encoder.encode(JSON.stringify(options.body));
    } else if (operation.method === "POST") body = new Uint8Array(0);
    const url = connection.url + buildPath(operation.path, options);
    const signal = options.signal ? AbortSignal.any([options.signal, closed]) : closed;
    let answer: Answer;
    try {
      answer = await transport.send({ method: operation.method, url, headers, signal, ...(body ? { body } : {}) });
      if (answer.status >= 400) throw await refusal(answer);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof Refused) throw error;
      throw noAnswer(connection.url, error);
    }
    answered();
    return answer;
  }

  async function repeat<T>(
    name: OperationName,
    options: SendOptions,
    read: (answer: Answer) => Promise<T>,
  ): Promise<T> {
    const idempotent = OPERATIONS[name].method !== "POST" || REPEATABLE.has(name) || hasOwnId(options.body);
    const started = performance.now();
    for (let tries = 1; ; tries++) {
      try {
        return await read(await once(name, options));
      } catch (thrown) {
        const failure =
          thrown instanceof Refused ? { error: thrown.error, retryAfterMs: thrown.retryAfterMs } : { error: thrown };
        if (thrown instanceof Refused) answered();
        const policy = { ...retry, reached, idempotent, waitForRoom: options.waitForRoom ?? true };
        const now = { tries, elapsedMs: performance.now() - started, random: Math.random() };
        const delay = options.retry === false ? undefined : retryDelay(failure, policy, now);
        if (delay === undefined) throw shown(failure.error, idempotent);
        await sleep(delay, options.signal ? AbortSignal.any([options.signal, closed]) : closed);
      }
    }
  }

  const read = (name: OperationName, options: SendOptions = {}) =>
    repeat(name, options, async (answer) => {
      try {
        return { answer, bytes: await answer.bytes() };
      } catch (error) {
        // A connection that breaks inside the body leaves the outcome unknown like any other.
        if (closed.aborted || options.signal?.aborted) throw error;
        throw new NoAnswer(`its address broke the answer off (${describe(error)})`, { cause: error });
      }
    });

  return {
    read,
    send: (name, options = {}) => repeat(name, options, async (answer) => answer),
    async call(name, request) {
      const { bytes } = await read(name, request as SendOptions);
      return bytes.length === 0 ? undefined : JSON.parse(decoder.decode(bytes));
    },
  };
}

class Refused extends Error {
  readonly error: ApiError;
  readonly retryAfterMs: number | undefined;
  constructor(error: ApiError, retryAfterMs: number | undefined) {
    super(error.message);
    this.error = error;
    this.retryAfterMs = retryAfterMs;
  }
}

async function refusal(answer: Answer): Promise<Refused> {
  const bytes = await answer.bytes();
  const retryAfterMs = parseRetryAfter(answer.header("retry-after"), Date.now());
  const error = errorOf(answer.status, decoder.decode(bytes));
  if (retryAfterMs !== undefined) error.details.retryAfterMs ??= retryAfterMs;
  return new Refused(error, retryAfterMs);
}

/** What stands behind an error status; a proxy on the way may have answered instead of the gateway. */
function errorOf(status: number, text: string): ApiError {
  try {
    const body = JSON.parse(text) as { error?: unknown; code?: unknown };
    const error = typeof body.error === "object" && body.error !== null ? body.error : body;
    if (typeof (error as { code?: unknown }).code === "string") return ApiError.fromJSON(error);
  } catch {}
  const excerpt = text.trim().slice(0, 200);
  const message = `HTTP ${status} from something that is not a Farcall gateway: ${excerpt || "no body"}`;
  if (status === 429) return new ApiError("RATE_LIMITED", message);
  if (status === 401) return new ApiError("UNAUTHENTICATED", message);
  if (status === 404) return new ApiError("NOT_FOUND", message);
  if (status === 413) return new ApiError("TOO_LARGE", message);
  return new ApiError(status >= 500 ? "UNAVAILABLE" : "BAD_REQUEST", message);
}

function shown(error: unknown, idempotent: boolean): unknown {
  if (!(error instanceof NoAnswer)) return error;
  const outcome = idempotent ? "" : "; it is not known whether the request was carried out";
  return new ApiError("UNAVAILABLE", `the gateway at ${error.message}${outcome}`, {
    cause: error.cause,
  });
}

function describe(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const inner = cause instanceof Error ? cause : error;
  const { code, message } = inner as { code?: string; message?: string };
  return [code, message].filter((part) => part).join(": ") || String(error);
}

function hasOwnId(body: unknown): boolean {
  return typeof (body as { id?: unknown } | undefined)?.id === "string";
}
