/** Operations that start tasks and end them. */
import { z } from "zod";
import { CallSpec, Encoding, TaskState } from "../task.ts";
import type { Operation } from "./operation.ts";
import { TaskResult } from "./tasks.ts";

const JsonTask = z.object({
  id: z.string().optional(),
  spec: z.int().optional(),
  args: z.unknown().optional(),
  blob: z.string().optional(),
  size: z.int().optional(),
  encoding: Encoding.optional(),
  retryOf: z.string().optional(),
});

/** What became of a submit. */
export const SubmitAnswer = z.object({
  accepted: z.int(),
  tasks: z
    .array(z.object({ id: z.string(), code: z.string(), message: z.string() }))
    .meta({ description: "only those that were not accepted, each with its error" }),
  ids: z.array(z.string()).optional().meta({ description: "JSON submits: every id, in order" }),
});
export type SubmitAnswer = z.infer<typeof SubmitAnswer>;

const CancelAnswer = z.object({ cancelled: z.int(), alreadyFinished: z.int(), notFound: z.int() });

/** The part of the table that starts and ends tasks. */
export const callOperations = {
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
  retryTask: {
    method: "POST",
    path: "/v1/tasks/{task}/retry",
    scope: ["invoke", "admin"],
    summary: "Submit a finished task again as a new one that names it in retryOf.",
    status: 202,
    body: z.strictObject({ id: z.string().optional() }).optional(),
    response: z.object({ id: z.string() }),
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
  cancelTask: {
    method: "POST",
    path: "/v1/tasks/{task}/cancel",
    scope: ["invoke", "admin"],
    summary: "Cancel a task; says whether the cancel or the end came first.",
    response: z.object({ cancelled: z.boolean(), state: TaskState }),
  },
} as const satisfies Record<string, Operation>;
