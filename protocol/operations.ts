/**
 * The table of HTTP operations. It routes and validates in the gateway, becomes /openapi.json and /docs, and types the SDK:
 * an operation that is not here does not exist, and one without a scope does not pass the tests.
 */
import type { z } from "zod";
import { blobOperations } from "./operations/blobs.ts";
import { callOperations } from "./operations/calls.ts";
import { endpointOperations } from "./operations/endpoints.ts";
import { functionOperations } from "./operations/functions.ts";
import type { Operation } from "./operations/operation.ts";
import { systemOperations } from "./operations/system.ts";
import { taskOperations } from "./operations/tasks.ts";
import { tokenOperations } from "./operations/tokens.ts";

export { SubmitAnswer } from "./operations/calls.ts";
export { type Operation, Scope } from "./operations/operation.ts";
export { TaskDetail, TaskFilter, TaskResult } from "./operations/tasks.ts";

/** Every operation by name. The order is that of routing: a fixed path stands before the pattern that would also match it. */
export const OPERATIONS = {
  ...systemOperations,
  ...tokenOperations,
  ...functionOperations,
  ...endpointOperations,
  ...callOperations,
  ...taskOperations,
  ...blobOperations,
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
type Part<N extends OperationName, K extends string> =
  (typeof OPERATIONS)[N] extends Record<K, infer S extends z.ZodType> ? S : never;
/** What an operation takes as query, takes as body, and answers. */
export type QueryOf<N extends OperationName> = z.input<Part<N, "query">>;
export type BodyOf<N extends OperationName> = z.input<Part<N, "body">>;
export type ResponseOf<N extends OperationName> = z.output<Part<N, "response">>;
/** What a handler gets of the query and the body, after the schema. */
export type ParsedQueryOf<N extends OperationName> = z.output<Part<N, "query">>;
export type ParsedBodyOf<N extends OperationName> = z.output<Part<N, "body">>;
