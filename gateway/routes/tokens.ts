/** Tokens and the audit log: for admins. */
import { ApiError } from "../../protocol/errors.ts";
import { notFound } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import type { TokenRow } from "../store/port.ts";
import { issueToken, TOKEN_LIFETIME_MS } from "../use-cases/tokens.ts";
import { type Handlers, param } from "./call.ts";
import { pageOptions } from "./page.ts";

type Routes = Pick<Handlers, "createToken" | "listTokens" | "revokeToken" | "listAudit">;

/** The handlers of the theme. */
export function tokenRoutes({ store, auth, revocation }: Gateway): Routes {
  return {
    createToken: async (call) => {
      const { name, owner, scopes, expiresInMs } = call.body;
      if (scopes.includes("agent")) {
        throw new ApiError("BAD_REQUEST", "body.scopes holds agent; an agent's token is made with its endpoint", {
          details: { field: "scopes" },
        });
      }
      const { token, row } = await issueToken(store, {
        owner: owner ?? call.actor.owner,
        name,
        scopes: [...new Set(scopes)],
        expiresInMs: expiresInMs === undefined ? TOKEN_LIFETIME_MS : expiresInMs,
      });
      call.target = `token ${row.id} of ${row.owner} for ${row.scopes.join(", ")}`;
      return { token, view: viewOf(row) };
    },
    listTokens: async () => ({ items: (await store.listTokens()).map(viewOf) }),
    revokeToken: async (call) => {
      const id = param(call, "token");
      if (!(await store.revokeToken(id))) throw notFound("token", id);
      auth.forget(id);
      revocation.changed();
      return { ok: true };
    },
    listAudit: ({ query }) => store.listAudit(pageOptions(query)),
  };
}

function viewOf({ hash: _, ...row }: TokenRow): Omit<TokenRow, "hash"> {
  return row;
}
