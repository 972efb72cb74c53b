/** How answers and errors are written. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { ApiError } from "../../protocol/errors.ts";

/** Names a request in an error's answer and in the log. */
export const REQUEST_ID_HEADER = "farcall-request-id";

const JSON_HEADERS = { "content-type": "application/json" };

/** A JSON answer. The headers are a plain shared object: that is the server's fastest way out. */
export function json(value: unknown, status = 200): Response {
  return jsonText(JSON.stringify(value), status);
}

/** An answer that is JSON text already. */
export function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: JSON_HEADERS });
}

/** Whatever was thrown, as an error of the table. What is not one is INTERNAL, and its own words stay in the log. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError("INTERNAL", "the gateway failed at this request", { cause: error });
}

/** `{ error }` with its status, a request id, and Retry-After where trying again helps. */
export function errorResponse(error: ApiError, log: Logger, what: string): Response {
  const requestId = randomUUID();
  const headers: Record<string, string> = { ...JSON_HEADERS, [REQUEST_ID_HEADER]: requestId };
  if (error.status >= 500 && error.status !== 507)
    log.error({ requestId, err: error.cause ?? error }, `${what}: ${error.code}`);
  if (error.retryable) {
    const retryAfterMs = typeof error.details.retryAfterMs === "number" ? error.details.retryAfterMs : 1000;
    headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
  }
  if (error.code === "UNAUTHENTICATED") headers["www-authenticate"] = 'Bearer realm="farcall"';
  return new Response(JSON.stringify({ error }), { status: error.status, headers });
}
