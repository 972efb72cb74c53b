/**
 * The tables. A task is one row; what calls share (owner, function, endpoint, group, options) is interned in `specs`. All
 * secondary indexes on tasks are partial, over unfinished work only, so that a finished task costs its row and its id.
 */
import type { DatabaseSync } from "node:sqlite";
import { ApiError } from "../../../protocol/errors.ts";

/** One entry a version; an entry is never changed once released, new ones are added. */
const MIGRATIONS: readonly string[] = [
  `
  create table meta(name text primary key, value any) without rowid;
  create table owners(key integer primary key, name text not null unique);
  create table names(key integer primary key, text text not null unique);
  create table endpoints(
    key integer primary key, id text not null unique, name text not null, owner text not null, description text not null,
    epoch int not null default 0, pull int not null default 0, hello text, draining int not null default 0,
    registered_at int not null, deleted_at int);
  create unique index endpoints_name on endpoints(name) where deleted_at is null;
  create table groups(
    key integer primary key, owner int not null, name text not null, created_at int not null,
    first_seq int not null, last_seq int not null, unique(owner, name));
  create table queues(
    key integer primary key, endpoint int not null, class text not null, priority int not null,
    unique(endpoint, class, priority));
  create table specs(
    key integer primary key autoincrement, hash blob not null unique, owner int not null, endpoint int not null,
    queue int not null, grp int, function text not null, text text not null);
  create index specs_by_group on specs(grp) where grp is not null;
  create index specs_by_function on specs(function);
  create table counts(
    spec integer primary key, held int not null, staging int not null, queued int not null, leased int not null,
    running int not null, waiting int not null, succeeded int not null, failed int not null, cancelled int not null,
    expired int not null, open_bytes int not null);
  create index counts_empty on counts(spec) where
    held + staging + queued + leased + running + waiting + succeeded + failed + cancelled + expired = 0;

  create table tasks(
    seq integer primary key,
    id blob not null unique,
    spec int not null,
    queue int not null,
    state int not null,
    lease int not null,               -- hand-outs so far; the current one's number
    attempt int not null,             -- starts so far
    submitted_at int not null,
    expires_at int not null,
    args_form int not null, args_size int not null, args blob,
    retry_of blob,
    losses int not null default 0,    -- infrastructure losses, bounded by maxAttempts
    repeats int not null default 0,   -- repeats after a failure of the user's code, bounded by retries
    deaths int not null default 0,    -- workers that died of it
    ended_lease int not null default 0, -- the lease of its last attempt that ended
    retry_at int, leased_at int, started_at int, ended_at int, ran_ms int,
    block int, worker int, failure text,
    result_form int, result_size int, result blob);
  create index tasks_open on tasks(expires_at) where state < 10;
  create index tasks_queued on tasks(queue) where state = 3;
  create index tasks_waiting on tasks(retry_at) where state = 6;
  create index tasks_retried on tasks(retry_of) where retry_of is not null and state < 10;
  create table payloads(key integer primary key, bytes blob not null);
  create table outputs(
    task integer primary key, stdout blob not null, stderr blob not null, stdout_total int not null, stderr_total int not null);
  create table attempts(
    task int not null, attempt int not null, block int, worker int, started_at int, ended_at int not null,
    failure text not null, primary key(task, attempt)) without rowid;
  -- one row a transaction (at most 512 events): entries are fixed-width records, see event-records.ts
  create table events(first integer primary key, last int not null, at int not null, entries blob not null);
  create table superseded(
    key integer primary key, at int not null, endpoint text not null, epoch int not null, task text not null,
    lease int not null, outcome text not null, failure text);
  -- finished tasks that could not be deleted with their event: their id is younger, or an unfinished task names them
  create table kept(due int not null, task int not null, primary key(due, task)) without rowid;

  create table functions(
    seq integer primary key autoincrement, id text not null, owner text not null, name text not null,
    definition text not null, code text not null, code_size int not null, registered_at int not null, deleted_at int,
    unique(owner, id, name));
  create index functions_by_id on functions(id);
  create table codes(hash text primary key, bytes blob not null);
  create table tokens(
    id text primary key, hash text not null unique, owner text not null, name text not null, scopes text not null,
    endpoint text, created_at int not null, expires_at int, last_used_at int);
  create table blobs(
    hash text primary key, size int not null, file text not null, refs int not null default 0, touched_at int not null);
  create index blobs_unused on blobs(touched_at) where refs = 0;
  create table blob_owners(hash text not null, owner text not null, primary key(hash, owner)) without rowid;
  create table audit(
    seq integer primary key autoincrement, at int not null, actor text not null, action text not null,
    target text not null, outcome text not null);
  `,
  `
  -- users of the wire that have not expired; revoked: what was issued until then is not taken any more
  create table credentials(
    user_key text primary key, endpoint text not null, token text not null, expires_at int not null, revoked_at int)
    without rowid;
  create index credentials_by_endpoint on credentials(endpoint);
  create index credentials_by_token on credentials(token);
  create index credentials_by_end on credentials(expires_at);
  `,
];

/** Brings the schema to this version. Throws STORE_CORRUPT for a database that a newer version wrote, and changes nothing then. */
export function migrate(db: DatabaseSync): void {
  const version = (db.prepare("pragma user_version").get() as { user_version: number }).user_version;
  if (version > MIGRATIONS.length) {
    throw new ApiError(
      "STORE_CORRUPT",
      `the database has schema version ${version}; this Farcall knows up to ${MIGRATIONS.length}. Run the newer Farcall that wrote it`,
    );
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    db.exec("begin immediate");
    db.exec(MIGRATIONS[next] as string);
    db.exec(`pragma user_version = ${next + 1}`);
    db.exec("commit");
  }
}
