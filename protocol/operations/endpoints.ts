/** Operations on endpoints. */
import { z } from "zod";
import { EndpointView } from "../endpoint.ts";
import { Name } from "../task.ts";
import { type Operation, page, pageOf } from "./operation.ts";

/** The part of the table on endpoints. */
export const endpointOperations = {
  createEndpoint: {
    method: "POST",
    path: "/v1/endpoints",
    scope: ["endpoints", "admin"],
    summary: "Register an endpoint; the answer holds its agent's token, shown once.",
    status: 201,
    body: z.strictObject({ name: Name, description: z.string().max(500).default("") }),
    response: z.object({ endpoint: EndpointView, token: z.string() }),
  },
  listEndpoints: {
    method: "GET",
    path: "/v1/endpoints",
    scope: ["read", "invoke", "endpoints", "admin"],
    summary: "List endpoints.",
    query: z.object(page),
    response: pageOf(EndpointView),
  },
  getEndpoint: {
    method: "GET",
    path: "/v1/endpoints/{endpoint}",
    scope: ["read", "invoke", "endpoints", "agent", "admin"],
    summary: "An endpoint by id or name, with its blocks.",
    response: EndpointView,
  },
  deleteEndpoint: {
    method: "DELETE",
    path: "/v1/endpoints/{endpoint}",
    scope: ["endpoints", "admin"],
    summary: "Delete an endpoint; its unfinished tasks are cancelled.",
    response: z.object({ ok: z.boolean(), cancelled: z.int() }),
  },
  drainEndpoint: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/drain",
    scope: ["endpoints", "admin"],
    summary: "Let an endpoint finish and take nothing new, or take that back.",
    body: z.strictObject({ drain: z.boolean() }),
    response: z.object({ ok: z.boolean() }),
  },
  declareDead: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/declare-dead",
    scope: ["endpoints", "admin"],
    summary: "State that the endpoint's host is gone: its leased tasks are placed again at once. Audited.",
    response: z.object({ ok: z.boolean(), released: z.int() }),
  },
  endpointCredentials: {
    method: "POST",
    path: "/v1/endpoints/{endpoint}/credentials",
    scope: ["agent"],
    summary: "A short-lived NATS user for the agent's public key.",
    body: z.strictObject({ userKey: z.string().regex(/^U[A-Z2-7]{55}$/) }),
    response: z.object({
      jwt: z.string(),
      servers: z.array(z.string()),
      ca: z
        .string()
        .optional()
        .meta({ description: "certificates in PEM to trust at the servers; the usual ones if not said" }),
      expiresAt: z.number(),
    }),
  },
} as const satisfies Record<string, Operation>;
