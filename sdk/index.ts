/** Farcall's TypeScript SDK: call a function anywhere. */
export type { EndpointsApi, FunctionsApi } from "./api/endpoints.ts";
export type { Listing, Page } from "./api/listing.ts";
export type { LogChunk, TaskLogs } from "./api/logs.ts";
export type { TaskQuery, TasksApi } from "./api/tasks.ts";
export type { CallOptions } from "./calls/spec.ts";
export type { CommandFunction, CommandResult } from "./code/command.ts";
export type { ContainerOptions, FunctionOptions } from "./code/inline.ts";
export { Kwargs, kwargs } from "./code/kwargs.ts";
export type { ModuleOptions, RemoteModule } from "./code/module.ts";
export type { PythonOptions } from "./code/python.ts";
export { ApiError, type ErrorCode, TaskError } from "./errors.ts";
export { Farcall } from "./farcall.ts";
export type { Group } from "./group.ts";
export type { GroupResult } from "./group-results.ts";
export type { Items, MapOptions, MapResult, MapResults } from "./map.ts";
export type { FarcallOptions, Outage } from "./options.ts";
export type { AnyFunction, Remote } from "./remote.ts";
export type { Task } from "./task.ts";
