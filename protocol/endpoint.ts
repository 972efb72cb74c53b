/** Endpoints: sites that run functions. */
import { z } from "zod";
import { Heartbeat } from "./messages.ts";
import { Name } from "./task.ts";

export const EndpointState = z.enum(["online", "offline", "draining", "never-started"]).meta({ id: "EndpointState" });

/** An endpoint as the API shows it. Times are the gateway's, Unix milliseconds. */
export const EndpointView = z
  .object({
    id: z.string(),
    name: Name,
    owner: z.string(),
    description: z.string(),
    state: EndpointState,
    epoch: z.int(),
    lastSeenAt: z.number().nullable(),
    registeredAt: z.number(),
    queued: z.int().meta({ description: "waiting tasks, counted up to 10,000" }),
    leased: z.int(),
    running: z.int(),
    /** the last heartbeat's summary */
    summary: Heartbeat.shape.summary.nullable(),
  })
  .meta({ id: "Endpoint" });
export type EndpointView = z.infer<typeof EndpointView>;
