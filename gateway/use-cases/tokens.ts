/** Makes tokens: for people and programs, for an endpoint's agent, and the first one of a gateway. */
import { newId } from "../../protocol/ids.ts";
import type { Scope } from "../../protocol/operations.ts";
import { hashToken, makeToken } from "../auth/token.ts";
import type { Store, TokenRow } from "../store/port.ts";

/** How long a token lives when nothing else was asked for. */
export const TOKEN_LIFETIME_MS = 90 * 86_400_000;

/** What a new token is to be. */
export type NewToken = {
  owner: string;
  name: string;
  scopes: Scope[];
  endpoint?: string;
  /** null: it does not expire */
  expiresInMs: number | null;
};

/** Stores a new token and returns it with its row: the only time that it is seen. */
export async function issueToken(
  store: Pick<Store, "putToken">,
  wanted: NewToken,
): Promise<{ token: string; row: TokenRow }> {
  const token = makeToken(wanted.scopes);
  const createdAt = Date.now();
  const row: TokenRow = {
    id: newId(),
    hash: hashToken(token),
    owner: wanted.owner,
    name: wanted.name,
    scopes: wanted.scopes,
    endpoint: wanted.endpoint ?? null,
    createdAt,
    expiresAt: wanted.expiresInMs === null ? null : createdAt + wanted.expiresInMs,
    lastUsedAt: null,
  };
  const { lastUsedAt: _, ...stored } = row;
  await store.putToken(stored);
  return { token, row };
}
