/** Functions, endpoints, tokens, blobs and the audit log, read. */
import type { DatabaseSync } from "node:sqlite";
import type { FunctionView } from "../../../../protocol/function.ts";
import type { BlobRow, EndpointRow, Page, TokenRow } from "../../port.ts";

type PageOf = { cursor?: string | undefined; limit: number };

const FUNCTION = "seq, id, name, owner, definition, code_size as codeSize, registered_at as registeredAt";
const ENDPOINT = "key, id, name, owner, description, epoch, hello, draining, registered_at as registeredAt";
const TOKEN =
  "id, hash, owner, name, scopes, endpoint, created_at as createdAt, expires_at as expiresAt, last_used_at as lastUsedAt";

/** Prepares the reads of what is registered. */
export function createRegisteredReads(db: DatabaseSync) {
  const sql = (text: string) => db.prepare(text);
  const oneFunction = sql(`select ${FUNCTION} from functions
    where deleted_at is null and (id = :name or name = :name) and (:owner is null or owner = :owner)
    order by id = :name desc, seq desc limit 1`);
  const functions = sql(`select ${FUNCTION} from functions
    where deleted_at is null and (:owner is null or owner = :owner) and (:name is null or name = :name) and seq < :before
    order by seq desc limit :limit`);
  const code = sql(
    "select bytes from codes where hash = (select code from functions where id = ? and deleted_at is null limit 1)",
  );
  const oneEndpoint = sql(`select ${ENDPOINT} from endpoints
    where deleted_at is null and (id = :id or name = :id) order by id = :id desc limit 1`);
  const endpoints = sql(`select ${ENDPOINT} from endpoints where deleted_at is null and key > ? order by key limit ?`);
  const token = sql(`select ${TOKEN} from tokens where hash = ?`);
  const tokens = sql(`select ${TOKEN} from tokens order by created_at`);
  const blob = sql(`select hash, size, file from blobs where hash = :hash
    and (:owner is null or exists(select 1 from blob_owners where hash = :hash and owner = :owner))`);
  const audit = sql("select * from audit where seq < ? order by seq desc limit ?");

  return {
    getFunction({ name, owner }: { name: string; owner: string | null }): FunctionView | undefined {
      const row = oneFunction.get({ name, owner }) as FunctionRow | undefined;
      return row && functionView(row);
    },
    functionCode: ({ id }: { id: string }) => (code.get(id) as { bytes: Uint8Array } | undefined)?.bytes,
    listFunctions({ owner, page }: { owner: string | null; page: PageOf & { name?: string } }): Page<FunctionView> {
      const before = page.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(page.cursor);
      const rows = functions.all({ owner, name: page.name ?? null, before, limit: page.limit }) as FunctionRow[];
      return { items: rows.map(functionView), cursor: cursorAfter(rows, page.limit, (row) => row.seq) };
    },
    getEndpoint({ id }: { id: string }): EndpointRow | undefined {
      const row = oneEndpoint.get({ id }) as EndpointRecord | undefined;
      return row && endpointView(row);
    },
    listEndpoints(page: PageOf): Page<EndpointRow> {
      const rows = endpoints.all(Number(page.cursor ?? 0), page.limit) as EndpointRecord[];
      return { items: rows.map(endpointView), cursor: cursorAfter(rows, page.limit, (row) => row.key) };
    },
    findToken({ hash }: { hash: string }): TokenRow | undefined {
      const row = token.get(hash) as TokenRecord | undefined;
      return row && tokenView(row);
    },
    listTokens: () => (tokens.all() as TokenRecord[]).map(tokenView),
    getBlob: ({ hash, owner }: { hash: string; owner: string | null }) =>
      blob.get({ hash, owner }) as BlobRow | undefined,
    listAudit(page: PageOf) {
      const before = page.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(page.cursor);
      const items = audit.all(before, page.limit) as AuditRow[];
      return { items, cursor: cursorAfter(items, page.limit, (row) => row.seq) };
    },
  };
}

/** The cursor for the next page; null after the last one. */
export function cursorAfter<T>(rows: readonly T[], limit: number, key: (row: T) => number): string | null {
  return rows.length < limit ? null : String(key(rows.at(-1) as T));
}

type FunctionRow = Omit<FunctionView, "definition"> & { seq: number; definition: string };
type EndpointRecord = Omit<EndpointRow, "hello" | "draining"> & { key: number; hello: string | null; draining: number };
type TokenRecord = Omit<TokenRow, "scopes"> & { scopes: string };
type AuditRow = { seq: number; at: number; actor: string; action: string; target: string; outcome: string };

function functionView({ seq: _, definition, ...rest }: FunctionRow): FunctionView {
  return { ...rest, definition: JSON.parse(definition) as FunctionView["definition"] };
}

function endpointView({ key: _, hello, draining, ...rest }: EndpointRecord): EndpointRow {
  return {
    ...rest,
    hello: hello === null ? null : (JSON.parse(hello) as EndpointRow["hello"]),
    draining: draining === 1,
  };
}

function tokenView({ scopes, ...rest }: TokenRecord): TokenRow {
  return { ...rest, scopes: JSON.parse(scopes) as TokenRow["scopes"] };
}
