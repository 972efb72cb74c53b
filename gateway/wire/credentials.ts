/**
 * The keys and user JWTs of the wire. `@nats-io/jwt` is not a supported API, so it is pinned and used in this file alone.
 *
 * One operator, one account; agents' users are signed with a scoped key: the account says what such a user may do, in a
 * template that contains the user's own name, so whoever holds the scoped key can mint endpoints and nothing above them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeAccount, encodeOperator, encodeUser, fmtCreds, newScopedSigner } from "@nats-io/jwt";
import { createAccount, createOperator, createUser, fromPublic, fromSeed, type KeyPair } from "@nats-io/nkeys";
import { ApiError } from "../../protocol/errors.ts";
import { agentPermissions } from "../../protocol/subjects.ts";

/** What mints agents' users: the seed of the scoped signing key and the account it belongs to. */
export type Signer = { account: string; seed: string };

/** The seeds from which everything else is made; whoever holds them owns the wire. */
export type Authority = { operator: string; account: string; signer: string };

/** The files' contents that follow from an authority. */
export type AuthorityDocuments = { operatorJwt: string; accountKey: string; accountJwt: string; gatewayCreds: string };

export const AGENT_CREDENTIALS_TTL_MS = 3_600_000;
export const SIGNER_FILE = "signer.json";
export const GATEWAY_CREDS_FILE = "gateway.creds";

const GATEWAY_SUBJECTS = ["hello", "pull", "credit", "results", "state", "log.*", "reply.*"].map((s) => `ep.*.${s}`);

/** What agents may do (`{{name()}}` is the user's name, its endpoint) and what the gateway may. */
export const PERMISSIONS = {
  agent: agentPermissions("{{name()}}"),
  // A wildcard matches whole tokens only, so `_INBOX_<endpoint>` cannot be allowed by pattern: what agents say is denied instead.
  gateway: { publish: { allow: [">"], deny: [...GATEWAY_SUBJECTS, "$SYS.>", "$JS.>"] }, subscribe: GATEWAY_SUBJECTS },
} as const;

/** Draws new seeds. */
export function createAuthority(): Authority {
  return { operator: seedOf(createOperator()), account: seedOf(createAccount()), signer: seedOf(createAccount()) };
}

/** Signs the operator, the account with its scoped key, and a user for the gateway. */
export async function signAuthority(authority: Authority): Promise<AuthorityDocuments> {
  const [operator, account, signer] = [authority.operator, authority.account, authority.signer].map(keyOf) as [
    KeyPair,
    KeyPair,
    KeyPair,
  ];
  const scope = newScopedSigner(signer, "agent", {
    pub: { allow: PERMISSIONS.agent.publish },
    sub: { allow: PERMISSIONS.agent.subscribe },
    subs: 64,
    allowed_connection_types: ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS"],
  });
  const limits = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true };
  const user = createUser();
  const { publish, subscribe } = PERMISSIONS.gateway;
  const permissions = {
    pub: { allow: [...publish.allow], deny: [...publish.deny] },
    sub: { allow: [...subscribe] },
  };
  return {
    operatorJwt: await encodeOperator("farcall", operator),
    accountKey: account.getPublicKey(),
    accountJwt: await encodeAccount("farcall", account, { limits, signing_keys: [scope] }, { signer: operator }),
    gatewayCreds: decoder.decode(fmtCreds(await encodeUser("gateway", user, account, permissions), user)),
  };
}

export type MintOptions = {
  signer: Signer;
  endpoint: string;
  /** the agent's public key; its seed never leaves the agent */
  userKey: string;
  ttlMs?: number;
};

/** A user JWT for an endpoint's agent. The server cuts the connection when it expires; the agent renews it at half-time. */
export async function mintAgentCredentials(options: MintOptions): Promise<{ jwt: string; expiresAt: number }> {
  const { signer, endpoint, userKey, ttlMs = AGENT_CREDENTIALS_TTL_MS } = options;
  // The name becomes part of subjects: anything but a plain token would widen the template's permissions.
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(endpoint)) throw new TypeError(`not an endpoint id: ${endpoint}`);
  const exp = Math.ceil((Date.now() + ttlMs) / 1000);
  const jwt = await encodeUser(
    endpoint,
    fromPublic(userKey),
    fromPublic(signer.account),
    {},
    { signer: keyOf(signer.seed), scopedUser: true, exp },
  );
  return { jwt, expiresAt: exp * 1000 };
}

/** Reads the signer that the auth directory holds. Throws CONFIG_INVALID when it is missing or damaged. */
export async function readSigner(authDir: string): Promise<Signer> {
  const file = join(authDir, SIGNER_FILE);
  try {
    const { account, seed } = JSON.parse(await readFile(file, "utf8")) as Signer;
    if (fromPublic(account).getPublicKey() !== account) throw new Error("the account is not a public key");
    keyOf(seed);
    return { account, seed };
  } catch (cause) {
    throw new ApiError("CONFIG_INVALID", `${file} is not a signer: ${String(cause)}`, { cause });
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function seedOf(key: KeyPair): string {
  return decoder.decode(key.getSeed());
}

function keyOf(seed: string): KeyPair {
  return fromSeed(encoder.encode(seed));
}
