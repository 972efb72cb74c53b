/**
 * Makes routes of the table of operations: one way for all of them, in this order: host and origin, token, scope, query, body
 * within its limit, handler, audit, answer.
 */
import type { Context, Hono } from "hono";
import { ApiError } from "../../protocol/errors.ts";
import { decodeFrame, FRAME_MEDIA_TYPE, FRAME_PREFIX_BYTES, type Frame } from "../../protocol/frame.ts";
import { OPERATIONS, type Operation, type OperationName } from "../../protocol/operations.ts";
import { type Actor, authorize } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import { readBody } from "../http/body.ts";
import { checkJsonShape, parseJson } from "../http/json-guard.ts";
import { errorResponse, json, toApiError } from "../http/responses.ts";
import type { Call, Handlers } from "./call.ts";
import { createCallAudit } from "./call-audit.ts";
import { parseWith, queryOf } from "./parse.ts";

type AnyCall = Call<OperationName>;
type AnyHandler = (call: AnyCall) => unknown;
type Serve = (context: Context) => Promise<Response>;

const ANONYMOUS: Actor = {
  tokenId: "anonymous",
  owner: "anonymous",
  scopes: [],
  endpoint: null,
  revoked: new AbortController().signal,
};

/** Adds every operation of the table to the app, and the answers for paths and methods that are not in it. */
export function bindOperations(app: Hono, gateway: Gateway, handlers: Handlers): void {
  const byPath = new Map<string, Map<string, Serve>>();
  for (const name of Object.keys(OPERATIONS) as OperationName[]) {
    const { method, path } = OPERATIONS[name];
    const methods = byPath.get(path) ?? new Map<string, Serve>();
    byPath.set(path, methods.set(method, createServe(gateway, name, handlers[name] as unknown as AnyHandler)));
  }
  for (const [path, methods] of byPath) {
    // Hono would answer HEAD from the GET route; here the table alone says what there is.
    app.all(path.replace(/\{(\w+)\}/g, ":$1"), (context) => {
      const serve = methods.get(context.req.method);
      return serve ? serve(context) : refuseMethod(gateway, context, [...methods.keys()]);
    });
  }
  app.notFound((context) => {
    const error = new ApiError("NOT_FOUND", `there is no operation at ${context.req.path.slice(0, 200)}; see /docs`);
    return errorResponse(error, gateway.log, context.req.path);
  });
  app.onError((error, context) => errorResponse(toApiError(error), gateway.log, context.req.path));
}

function createServe(gateway: Gateway, name: OperationName, handler: AnyHandler): Serve {
  const operation: Operation = OPERATIONS[name];
  const { auth, hostCheck, metrics, log } = gateway;
  const isOpen = operation.scope === null;
  const audit = createCallAudit(gateway.audit, { action: name, addressOf: gateway.addressOf });
  const maxBytes = operation.accepts === "json-or-frame" ? gateway.facts.maxBatchBytes : gateway.facts.maxBodyBytes;

  return async (context) => {
    const cameAt = performance.now();
    const call = { context, actor: ANONYMOUS, params: context.req.param() } as unknown as AnyCall;
    let response: Response;
    let outcome = "ok";
    let entered = false;
    try {
      hostCheck(context.req.header("host"), context.req.header("origin"));
      if (!isOpen) {
        const actor = auth.authenticate(context.req.header("authorization"));
        call.actor = actor instanceof Promise ? await actor : actor;
        authorize(call.actor, name);
        auth.enter(call.actor);
        entered = true;
      }
      if (operation.query) {
        call.query = parseWith(operation.query, queryOf(context, operation.query), "query") as AnyCall["query"];
      }
      if (operation.body) await readInto(call, operation, maxBytes);
      const answer = await handler(call);
      response = answer instanceof Response ? answer : json(answer, operation.status);
    } catch (thrown) {
      const error = toApiError(thrown);
      outcome = error.code;
      response = errorResponse(error, log, name);
    } finally {
      if (entered) auth.leave(call.actor);
    }
    await audit?.(call, outcome);
    metrics.request(name, response.status, performance.now() - cameAt);
    return response;
  };
}

async function readInto(call: AnyCall, operation: Operation, maxBytes: number): Promise<void> {
  const bytes = await readBody(call.context, maxBytes);
  const type = call.context.req.header("content-type");
  if (operation.accepts === "json-or-frame" && type === FRAME_MEDIA_TYPE) {
    call.frame = readFrame(bytes);
    return;
  }
  const value = bytes.length === 0 ? undefined : parseJson(bytes);
  call.body = parseWith(operation.body as NonNullable<Operation["body"]>, value, "body") as AnyCall["body"];
}

function readFrame(bytes: Uint8Array): Frame {
  if (bytes.length > FRAME_PREFIX_BYTES) {
    const headerLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    checkJsonShape(bytes.subarray(FRAME_PREFIX_BYTES, FRAME_PREFIX_BYTES + headerLength));
  }
  return decodeFrame(bytes);
}

function refuseMethod(gateway: Gateway, context: Context, allowed: string[]): Response {
  const error = new ApiError("METHOD_NOT_ALLOWED", `${context.req.path} takes ${allowed.join(", ")}`, {
    details: { allowed },
  });
  const response = errorResponse(error, gateway.log, context.req.path);
  response.headers.set("allow", allowed.join(", "));
  return response;
}
