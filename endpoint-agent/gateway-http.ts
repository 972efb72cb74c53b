/** What the agent asks of the gateway over HTTP: its NATS user, functions and blobs. */
import { Readable } from "node:stream";
import { ApiError } from "../protocol/errors.ts";
import { definitionText, FunctionDefinition, sha256Hex } from "../protocol/function.ts";
import type { ResponseOf } from "../protocol/operations.ts";
import type { Credentials } from "./credentials.ts";
import type { Fetch, HttpProxy } from "./proxy.ts";

export type GatewayHttp = {
  natsCredentials(userKey: string): Promise<ResponseOf<"endpointCredentials">>;
  /** A function, its hashes checked. Throws FUNCTION_GONE when the gateway has none of that id. */
  fetchFunction(id: string): Promise<{ definition: FunctionDefinition; code: Uint8Array }>;
  /** Throws BLOB_GONE when there is none. */
  fetchBlob(hash: string, task: string): Promise<Readable>;
  putBlob(hash: string, options: { task: string; size: number; body: Readable }): Promise<void>;
};

const TIMEOUT_MS = 30_000;
/** A blob may take as long as it flows; this bounds the whole transfer. */
const BLOB_TIMEOUT_MS = 3_600_000;

/** `credentials` is read for each request: the gateway's address may change while the agent runs. */
export function createGatewayHttp(
  credentials: () => Promise<Credentials>,
  signal: AbortSignal,
  proxy?: HttpProxy,
): GatewayHttp {
  const send: Fetch = proxy?.fetch ?? fetch;
  const request = async (path: string, init: RequestInit & { timeoutMs?: number; duplex?: "half" } = {}) => {
    const { gateway, token } = await credentials();
    const timeout = AbortSignal.timeout(init.timeoutMs ?? TIMEOUT_MS);
    let response: Response;
    try {
      response = await send(new URL(path, gateway), {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
        signal: AbortSignal.any([signal, timeout]),
      });
    } catch (cause) {
      throw new ApiError("UNAVAILABLE", `the gateway at ${gateway} does not answer: ${reasonOf(cause)}`, { cause });
    }
    if (response.ok) return response;
    const body = (await response.json().catch(() => undefined)) as { error?: unknown } | undefined;
    throw ApiError.fromJSON(body?.error ?? body ?? { code: "INTERNAL", message: `HTTP ${response.status}` });
  };
  return {
    async natsCredentials(userKey) {
      const { endpoint } = await credentials();
      const response = await request(`/v1/endpoints/${endpoint}/credentials`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ userKey }),
      });
      return (await response.json()) as ResponseOf<"endpointCredentials">;
    },
    async fetchFunction(id) {
      try {
        const view = (await (await request(`/v1/functions/${id}`)).json()) as { definition: unknown };
        const definition = FunctionDefinition.parse(view.definition);
        const code = new Uint8Array(await (await request(`/v1/functions/${id}/code`)).arrayBuffer());
        if ((await sha256Hex(definitionText(definition))) !== id || (await sha256Hex(code)) !== definition.code) {
          throw new ApiError("LOAD_ERROR", `function ${id} does not have the content that its id says`);
        }
        return { definition, code };
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.code === "FUNCTION_UNKNOWN")) {
          throw new ApiError("FUNCTION_GONE", `function ${id} is not registered any more`, { cause: error });
        }
        throw error;
      }
    },
    async fetchBlob(hash, task) {
      try {
        const response = await request(`/v1/blobs/${hash}?task=${task}`, { timeoutMs: BLOB_TIMEOUT_MS });
        return Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) {
          throw new ApiError("BLOB_GONE", `blob ${hash} is not stored any more`, { cause: error });
        }
        throw error;
      }
    },
    async putBlob(hash, { task, size, body }) {
      await request(`/v1/blobs/${hash}?task=${task}`, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", "content-length": String(size) },
        body: Readable.toWeb(body) as ReadableStream<Uint8Array>,
        duplex: "half",
        timeoutMs: BLOB_TIMEOUT_MS,
      });
    },
  };
}

/** The innermost cause: fetch only says "fetch failed". */
export function reasonOf(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
