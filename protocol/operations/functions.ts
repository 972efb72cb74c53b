/** Operations on functions. */
import { z } from "zod";
import { FunctionDefinition, FunctionView } from "../function.ts";
import { Name } from "../task.ts";
import { type Operation, page, pageOf } from "./operation.ts";

/** The part of the table on functions. */
export const functionOperations = {
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
} as const satisfies Record<string, Operation>;
