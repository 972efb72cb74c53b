/**
 * The auth directory of a nats-server: keys, signed documents and its configuration (DESIGN.md, NATS subjects and isolation).
 * The server holds no state: what it keeps beside them, in accounts/, is a copy of the account's document with the users that
 * were revoked, which gateways tell it again whenever they connect.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Authority,
  type AuthorityDocuments,
  createAuthority,
  GATEWAY_CREDS_FILE,
  PERMISSIONS,
  REVOKER_FILE,
  SIGNER_FILE,
  signAuthority,
} from "../../gateway/wire/credentials.ts";

export const NATS_CONFIG_FILE = "nats.conf";
const AUTHORITY_FILE = "authority.json";
const FORMAT = 2;

type AuthorityFile = { format: number; permissions: unknown; authority: Partial<Authority> };

/**
 * Makes the auth directory, or leaves it as it is. Keys are drawn once; when what agents or gateways may do has changed
 * since, the same keys sign it anew.
 */
export async function ensureNatsAuth(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const existing = await readAuthority(dir);
  const wanted = JSON.stringify({ format: FORMAT, permissions: PERMISSIONS });
  if (existing && JSON.stringify({ format: existing.format, permissions: existing.permissions }) === wanted) return;
  const authority = createAuthority(existing?.authority);
  const documents = await signAuthority(authority);
  await writePrivate(dir, SIGNER_FILE, JSON.stringify({ account: documents.accountKey, seed: authority.signer }));
  await writePrivate(dir, GATEWAY_CREDS_FILE, documents.gatewayCreds);
  await writePrivate(dir, REVOKER_FILE, JSON.stringify(documents.revoker));
  await writePrivate(dir, NATS_CONFIG_FILE, configuration(documents));
  // Last: a directory without it is made from the beginning.
  await writePrivate(dir, AUTHORITY_FILE, JSON.stringify({ format: FORMAT, permissions: PERMISSIONS, authority }));
}

function configuration(documents: AuthorityDocuments): string {
  const { operatorJwt, accountKey, accountJwt, systemKey, systemJwt } = documents;
  return `# Written by farcall. Who may connect is in the signed documents below; no_auth_user is not set, JetStream is off.
listen: "127.0.0.1:4222"
max_payload: 1048576
max_pending: 67108864
write_deadline: "10s"
ping_interval: "10s"
ping_max: 2
operator: "${operatorJwt}"
system_account: "${systemKey}"
# Relative to where the server is started. It may be lost: gateways tell it again who was revoked.
resolver: { type: full, dir: "accounts", allow_delete: false, interval: "10m", timeout: "500ms" }
resolver_preload: {
  ${accountKey}: "${accountJwt}"
  ${systemKey}: "${systemJwt}"
}
`;
}

async function readAuthority(dir: string): Promise<AuthorityFile | undefined> {
  const text = await readFile(join(dir, AUTHORITY_FILE), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as AuthorityFile);
}

/** Whole or not at all, and readable by the owner alone from its first byte. */
async function writePrivate(dir: string, name: string, content: string): Promise<void> {
  const temporary = join(dir, `.${name}.${randomBytes(6).toString("hex")}`);
  await writeFile(temporary, content, { mode: 0o600, flag: "wx" });
  await rename(temporary, join(dir, name));
}
