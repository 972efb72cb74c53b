/** Operations that look at tasks. */
import { z } from "zod";
import { Attempt, BlobRef, Encoding, TaskFailure, TaskState, TaskView } from "../task.ts";
import { many, type Operation, page, pageOf } from "./operation.ts";

/** A time for filters: an age such as 90s, 15m, 1h, 7d, or Unix milliseconds, or an ISO date. All are the gateway's time. */
const Since = z
  .string()
  .regex(/^(\d+(ms|s|m|h|d)|\d{10,}|\d{4}-\d\d-\d\d([T ].*)?)$/, "an age (90s, 15m, 1h, 7d), Unix ms or an ISO date");

/** Which tasks a list or a count means. */
export const TaskFilter = z.object({
  state: many.pipe(z.array(TaskState)).optional(),
  endpoint: z.string().optional(),
  function: z.string().optional(),
  group: z.string().optional(),
  since: Since.optional(),
  until: Since.optional(),
});
export type TaskFilter = z.infer<typeof TaskFilter>;

/** A task with its attempts, and why it waits. */
export const TaskDetail = TaskView.extend({
  attempts: z.array(Attempt),
  waits: z
    .object({ reason: z.string(), message: z.string() })
    .nullable()
    .meta({ description: "why the task waits, when it does" }),
}).meta({ id: "TaskDetail" });
export type TaskDetail = z.infer<typeof TaskDetail>;

/** How a task ended, with its value. */
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

/** The part of the table that looks at tasks. */
export const taskOperations = {
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
    summary:
      "The output's tail; with follow=true, an event stream until the task ends: hello { task, state }, output { stream, offset, text } (or, with encoding=base64, base64 instead of text), beat {}, end { state }.",
    query: z.object({
      follow: z.enum(["true", "false"]).default("false"),
      stream: z.enum(["stdout", "stderr", "both"]).default("both"),
      encoding: z.enum(["text", "base64"]).default("text"),
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
} as const satisfies Record<string, Operation>;
