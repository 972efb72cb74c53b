/** Operations on tokens and the audit log. */
import { z } from "zod";
import { Name } from "../task.ts";
import { type Operation, page, pageOf, Scope } from "./operation.ts";

const TokenView = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  endpoint: z.string().nullable(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  lastUsedAt: z.number().nullable(),
});

/** The part of the table on tokens and the audit log. */
export const tokenOperations = {
  createToken: {
    method: "POST",
    path: "/v1/tokens",
    scope: ["admin"],
    summary: "Make a token; it is shown once.",
    status: 201,
    body: z.strictObject({
      name: z.string().min(1).max(100),
      owner: Name.optional(),
      scopes: z.array(Scope).min(1),
      expiresInMs: z.int().positive().nullable().optional(),
    }),
    response: z.object({ token: z.string(), view: TokenView }),
  },
  listTokens: {
    method: "GET",
    path: "/v1/tokens",
    scope: ["admin"],
    summary: "List tokens, without their secrets.",
    response: z.object({ items: z.array(TokenView) }),
  },
  revokeToken: {
    method: "DELETE",
    path: "/v1/tokens/{token}",
    scope: ["admin"],
    summary: "Revoke a token; open streams of it end.",
    response: z.object({ ok: z.boolean() }),
  },
  listAudit: {
    method: "GET",
    path: "/v1/audit",
    scope: ["admin"],
    summary: "The audit log, newest first.",
    query: z.object(page),
    response: pageOf(
      z.object({
        seq: z.int(),
        at: z.number(),
        actor: z.string(),
        action: z.string(),
        target: z.string(),
        outcome: z.string(),
      }),
    ),
  },
} as const satisfies Record<string, Operation>;
