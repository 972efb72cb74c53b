/** The handlers of every operation. */
import type { Gateway } from "../gateway.ts";
import { blobRoutes } from "./blobs.ts";
import type { Handlers } from "./call.ts";
import { callRoutes } from "./calls.ts";
import { endpointRoutes } from "./endpoints.ts";
import { eventRoutes } from "./events.ts";
import { functionRoutes } from "./functions.ts";
import { systemRoutes } from "./system.ts";
import { taskRoutes } from "./tasks.ts";
import { tokenRoutes } from "./tokens.ts";

/** Makes all handlers; one that is missing does not compile. */
export function createHandlers(gateway: Gateway): Handlers {
  return {
    ...systemRoutes(gateway),
    ...tokenRoutes(gateway),
    ...functionRoutes(gateway),
    ...endpointRoutes(gateway),
    ...callRoutes(gateway),
    ...taskRoutes(gateway),
    ...eventRoutes(gateway),
    ...blobRoutes(gateway),
  };
}
