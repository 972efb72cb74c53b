/** Operations on the gateway itself. */
import { z } from "zod";
import { type Operation, Scope } from "./operation.ts";

/** The part of the table on the gateway itself. */
export const systemOperations = {
  health: {
    method: "GET",
    path: "/healthz",
    scope: null,
    summary: "The process answers.",
    response: z.object({ ok: z.boolean(), version: z.string() }),
  },
  ready: {
    method: "GET",
    path: "/readyz",
    scope: null,
    summary: "Database and NATS answer.",
    response: z.object({ ok: z.boolean(), store: z.string(), nats: z.string() }),
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    scope: ["read", "admin"],
    summary: "Prometheus metrics.",
    responds: "text",
  },
  openapi: { method: "GET", path: "/openapi.json", scope: null, summary: "This table as OpenAPI 3.1." },
  docs: { method: "GET", path: "/docs", scope: null, summary: "This table as a page.", responds: "html" },
  me: {
    method: "GET",
    path: "/v1/me",
    scope: ["read", "invoke", "endpoints", "agent", "admin"],
    summary: "Who the token is, and the gateway's clock and limits.",
    response: z.object({
      owner: z.string(),
      scopes: z.array(Scope),
      endpoint: z.string().nullable(),
      now: z.number(),
      version: z.string(),
      durability: z.enum(["disk", "fast"]),
      generation: z.string(),
    }),
  },
} as const satisfies Record<string, Operation>;
