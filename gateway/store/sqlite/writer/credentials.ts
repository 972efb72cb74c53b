/** Which users of the wire agents were given, so that they can be revoked before they expire. */
import { ApiError } from "../../../../protocol/errors.ts";
import type { CredentialRow, RevokedUser } from "../../port.ts";
import { existing } from "./agents.ts";
import type { Base } from "./base.ts";

/** Keys of one endpoint at a time: an agent draws one at each start. */
const MAX_KEYS = 256;
/** Servers whose clocks are behind still take a user for this long after its end. */
const SKEW_MS = 300_000;

/** Prepares the operations. */
export function createCredentialOps(base: Base) {
  const { db } = base;
  const over = db.prepare("delete from credentials where expires_at < ?");
  const holder = db.prepare("select endpoint from credentials where user_key = ?");
  const token = db.prepare("select 1 from tokens where id = ?");
  const keys = db.prepare("select count(*) as n from credentials where endpoint = ?");
  const put = db.prepare(
    `insert into credentials(user_key, endpoint, token, expires_at) values(?, ?, ?, ?)
     on conflict(user_key) do update set token = excluded.token, expires_at = max(expires_at, excluded.expires_at)`,
  );
  const revoked = db.prepare(
    "select user_key as userKey, revoked_at as revokedAt from credentials where revoked_at is not null",
  );
  const ofToken = db.prepare("update credentials set revoked_at = ? where token = ?");
  const ofEndpoint = db.prepare("update credentials set revoked_at = ? where endpoint = ?");

  return {
    ops: {
      putCredential({ userKey, endpoint, token: tokenId, expiresAt }: CredentialRow): void {
        existing(base.endpoints.byId(endpoint), endpoint);
        if (!token.get(tokenId)) throw new ApiError("UNAUTHENTICATED", "the token was revoked");
        over.run(base.now - SKEW_MS);
        const known = holder.get(userKey) as { endpoint: string } | undefined;
        // Else whoever learns a key could have it revoked, by deleting an endpoint of their own that claimed it.
        if (known && known.endpoint !== endpoint) throw new ApiError("CONFLICT", "another endpoint uses that key");
        if (!known && (keys.get(endpoint) as { n: number }).n >= MAX_KEYS) {
          throw new ApiError("RATE_LIMITED", `the endpoint has ${MAX_KEYS} keys whose users have not expired yet`, {
            details: { retryAfterMs: 60_000 },
          });
        }
        put.run(userKey, endpoint, tokenId, expiresAt);
      },
      revokedUsers(): RevokedUser[] {
        over.run(base.now - SKEW_MS);
        return revoked.all() as RevokedUser[];
      },
    },
    revokeToken: (id: string) => void ofToken.run(base.now, id),
    revokeEndpoint: (id: string) => void ofEndpoint.run(base.now, id),
  };
}
