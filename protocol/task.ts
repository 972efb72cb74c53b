/** Tasks as every part sees them: what a call asks for, the states it goes through, and how it is shown. */
import { z } from "zod";
import { ERRORS, type ErrorCode } from "./errors.ts";
import { TASK_STATES } from "./task-constants.ts";

export * from "./task-constants.ts";

export const TaskState = z.enum(TASK_STATES).meta({ id: "TaskState" });
export type TaskState = z.infer<typeof TaskState>;

/** How the bytes of a payload are encoded. Only the SDK and the workers ever look inside. */
export const Encoding = z.enum(["json", "cbor", "raw"]).meta({ id: "Encoding" });
export type Encoding = z.infer<typeof Encoding>;

/** A payload above the inline limit: the SHA-256 of its bytes in hex, and its size. */
export const BlobRef = z
  .object({ blob: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().nonnegative() })
  .meta({ id: "BlobRef" });
export type BlobRef = z.infer<typeof BlobRef>;

export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
  );

/** What one task needs of a node. */
export const Resources = z
  .strictObject({
    cores: z.int().min(1).max(4096).default(1),
    memoryMb: z
      .int()
      .min(0)
      .max(64 * 1024 * 1024)
      .default(0),
    gpus: z.int().min(0).max(64).default(0),
    nodes: z.int().min(1).max(10_000).optional(),
    ranksPerNode: z.int().min(1).max(4096).optional(),
  })
  .refine(({ nodes, ranksPerNode }) => nodes !== undefined || ranksPerNode === undefined, {
    path: ["ranksPerNode"],
    error: "needs nodes beside it",
  })
  .meta({
    id: "Resources",
    description:
      "memoryMb 0 means: no limit and none reserved. With `nodes` a shell command has so many whole nodes of one block, and is given what starts its MPI ranks there.",
  });
export type Resources = z.infer<typeof Resources>;

export const FunctionId = z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits: the SHA-256 of the function's definition");

export const EnvironmentVariables = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/),
  z.string().max(32_768),
);

/**
 * What a call asks for beside its arguments. Calls that ask for the same share one spec in a batch, in the database and on
 * the wire, so that a task itself is little more than an id and its arguments.
 */
export const CallSpec = z
  .strictObject({
    function: FunctionId,
    endpoint: z.string().min(1).max(64).optional(),
    group: z.string().min(1).max(128).optional(),
    priority: z.int().min(-1000).max(1000).optional(),
    timeoutMs: z
      .int()
      .min(1)
      .max(366 * 86_400_000)
      .optional(),
    ttlMs: z
      .int()
      .min(1)
      .max(366 * 86_400_000)
      .optional(),
    retries: z.int().min(0).max(100).optional(),
    retryDelayMs: z.int().min(0).max(86_400_000).optional(),
    maxAttempts: z.int().min(1).max(100).optional(),
    delivery: z.enum(["at-least-once", "at-most-once"]).optional(),
    resources: Resources.optional(),
    env: EnvironmentVariables.optional(),
    allowFailure: z.boolean().optional(),
    cancelOnDisconnect: z.boolean().optional(),
  })
  .meta({
    id: "CallSpec",
    description:
      "Defaults: priority 0 (higher first), ttlMs 14 days, retries 0 (repeats of user exceptions), retryDelayMs 1000 (doubled each time), maxAttempts 3 (infrastructure losses), delivery at-least-once, no timeout.",
  });
export type CallSpec = z.infer<typeof CallSpec>;

/** How a task failed, as it is stored and shown. `type`, `message` and `stack` of USER_ERROR are the remote exception's own. */
export const TaskFailure = z
  .object({
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    type: z.string().optional(),
    stack: z.string().optional(),
    exitCode: z.int().optional(),
    signal: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: "TaskFailure" });
export type TaskFailure = z.infer<typeof TaskFailure>;

/** One start of a task that has ended or is under way. Times are the gateway's, Unix milliseconds. */
export const Attempt = z
  .object({
    attempt: z.int(),
    endpoint: z.string(),
    block: z.string().nullable(),
    worker: z.string().nullable(),
    startedAt: z.number().nullable(),
    endedAt: z.number().nullable(),
    reason: z.string().nullable().meta({ description: "the code of the failure, or null when it succeeded or runs" }),
    message: z.string().nullable(),
  })
  .meta({ id: "Attempt" });
export type Attempt = z.infer<typeof Attempt>;

/** A task as the API shows it. Times are the gateway's, Unix milliseconds. */
export const TaskView = z
  .object({
    id: z.string(),
    state: TaskState,
    owner: z.string(),
    function: z.string(),
    functionName: z.string(),
    endpoint: z.string(),
    endpointName: z.string(),
    group: z.string().nullable(),
    priority: z.int(),
    spec: CallSpec,
    attempt: z.int(),
    handOuts: z.int(),
    submittedAt: z.number(),
    startedAt: z.number().nullable(),
    endedAt: z.number().nullable(),
    expiresAt: z.number(),
    retryAt: z.number().nullable(),
    retryOf: z.string().nullable(),
    block: z.string().nullable(),
    worker: z.string().nullable(),
    failure: TaskFailure.nullable(),
    resultEncoding: Encoding.nullable(),
    resultSize: z.int().nullable(),
    resultBlob: z.string().nullable(),
  })
  .meta({ id: "Task" });
export type TaskView = z.infer<typeof TaskView>;
