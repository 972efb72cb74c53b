/** Farcall's TypeScript SDK: call a function anywhere. */

export type { EndpointsApi, FunctionsApi } from "./api/endpoints.ts";
export type { LogChunk, TaskLogs } from "./api/logs.ts";
export type { TasksApi } from "./api/tasks.ts";
export type { CallOptions } from "./calls/spec.ts";
export type { FunctionOptions } from "./code/inline.ts";
export { ApiError, type ErrorCode, TaskError } from "./errors.ts";
export { Farcall } from "./farcall.ts";
export type { MapOptions, MapResult, MapResults } from "./map.ts";
export type { FarcallOptions } from "./options.ts";
export type { AnyFunction, Remote } from "./remote.ts";
export type { Task } from "./task.ts";
