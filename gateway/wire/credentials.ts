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
export type Authority = { operator: string; account: string; signer: string; system: string; revoker: string };

/** What signs an account's document anew, and the system user that tells the servers of it (docs/adr/0011). */
export type RevokerKeys = {
  account: string;
  /** the public key of the account's scoped signing key */
  signer: string;
  /** the seed of a signing key of the operator */
  seed: string;
  creds: string;
};

/** The files' contents that follow from an authority. */
export type AuthorityDocuments = {
  operatorJwt: string;
  accountKey: string;
  accountJwt: string;
  systemKey: string;
  systemJwt: string;
  gatewayCreds: string;
  revoker: RevokerKeys;
};

/** Users by public key; what was issued to them until that time (Unix seconds) is not taken any more. */
export type Revocations = Record<string, number>;

const AGENT_CREDENTIALS_TTL_MS = 3_600_000;
export const SIGNER_FILE = "signer.json";
export const GATEWAY_CREDS_FILE = "gateway.creds";
export const REVOKER_FILE = "revoker.json";
/** Where servers take a new document of an account. */
export const CLAIMS_UPDATE = "$SYS.REQ.CLAIMS.UPDATE";
export const REVOKER_INBOX = "_INBOX_revoker";

const GATEWAY_SUBJECTS = ["hello", "pull", "credit", "results", "state", "log.*", "reply.*"].map((s) => `ep.*.${s}`);

/** What agents may do (`{{name()}}` is the user's name, its endpoint) and what the gateway may. */
export const PERMISSIONS = {
  agent: agentPermissions("{{name()}}"),
  // A wildcard matches whole tokens only, so `_INBOX_<endpoint>` cannot be allowed by pattern: what agents say is denied instead.
  gateway: { publish: { allow: [">"], deny: [...GATEWAY_SUBJECTS, "$SYS.>", "$JS.>"] }, subscribe: GATEWAY_SUBJECTS },
  revoker: { publish: [CLAIMS_UPDATE], subscribe: [`${REVOKER_INBOX}.>`] },
} as const;

const NO_LIMITS = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true };

/** Draws new seeds; those that are known already stay. */
export function createAuthority(known: Partial<Authority> = {}): Authority {
  return {
    operator: known.operator ?? seedOf(createOperator()),
    account: known.account ?? seedOf(createAccount()),
    signer: known.signer ?? seedOf(createAccount()),
    system: known.system ?? seedOf(createAccount()),
    revoker: known.revoker ?? seedOf(createOperator()),
  };
}

/** Signs the operator, the account with its scoped key, the system account, and the gateway's users of both. */
export async function signAuthority(authority: Authority): Promise<AuthorityDocuments> {
  const key = (name: keyof Authority) => keyOf(authority[name]);
  const [operator, account, signer, system, revoker] = [
    key("operator"),
    key("account"),
    key("signer"),
    key("system"),
    key("revoker"),
  ];
  const { publish, subscribe } = PERMISSIONS.gateway;
  const revokerCreds = await credsOf(
    "revoker",
    system,
    permissionsOf(PERMISSIONS.revoker.publish, PERMISSIONS.revoker.subscribe),
  );
  const names = { account: account.getPublicKey(), signer: signer.getPublicKey() };
  return {
    operatorJwt: await encodeOperator("farcall", operator, {
      // The operator's own key stays where it was made; servers also take accounts that this one has signed.
      signing_keys: [revoker.getPublicKey()],
      system_account: system.getPublicKey(),
    }),
    accountKey: names.account,
    accountJwt: await signAccount(names, operator, {}),
    systemKey: system.getPublicKey(),
    systemJwt: await encodeAccount("SYS", system, { limits: NO_LIMITS }, { signer: operator }),
    gatewayCreds: await credsOf("gateway", account, permissionsOf(publish.allow, subscribe, publish.deny)),
    revoker: { ...names, seed: authority.revoker, creds: revokerCreds },
  };
}

/** The account's document with these users revoked. */
export function signRevocations(keys: RevokerKeys, revocations: Revocations): Promise<string> {
  return signAccount(keys, keyOf(keys.seed), revocations);
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

/** Reads what revokes users, or undefined where the auth directory does not hold it. Throws CONFIG_INVALID when it is damaged. */
export async function readRevoker(authDir: string): Promise<RevokerKeys | undefined> {
  const file = join(authDir, REVOKER_FILE);
  try {
    const { account, signer, seed, creds } = JSON.parse(await readFile(file, "utf8")) as RevokerKeys;
    for (const name of [account, signer]) fromPublic(name);
    if (typeof creds !== "string") throw new Error("it holds no credentials");
    keyOf(seed);
    return { account, signer, seed, creds };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ApiError("CONFIG_INVALID", `${file} is not a revoker: ${String(cause)}`, { cause });
  }
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

function signAccount(
  { account, signer }: Pick<RevokerKeys, "account" | "signer">,
  operator: KeyPair,
  revocations: Revocations,
): Promise<string> {
  const scope = newScopedSigner(fromPublic(signer), "agent", {
    pub: { allow: PERMISSIONS.agent.publish },
    sub: { allow: PERMISSIONS.agent.subscribe },
    subs: 64,
    allowed_connection_types: ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS"],
  });
  const claims = { limits: NO_LIMITS, signing_keys: [scope], revocations };
  return encodeAccount("farcall", fromPublic(account), claims, { signer: operator });
}

async function credsOf(name: string, account: KeyPair, permissions: ReturnType<typeof permissionsOf>): Promise<string> {
  const user = createUser();
  return decoder.decode(fmtCreds(await encodeUser(name, user, account, permissions), user));
}

function permissionsOf(publish: readonly string[], subscribe: readonly string[], deny: readonly string[] = []) {
  return { pub: { allow: [...publish], deny: [...deny] }, sub: { allow: [...subscribe] } };
}

function seedOf(key: KeyPair): string {
  return decoder.decode(key.getSeed());
}

function keyOf(seed: string): KeyPair {
  return fromSeed(encoder.encode(seed));
}
