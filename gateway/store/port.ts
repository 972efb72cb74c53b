/**
 * The store: the one truth. Every method is one transaction; when its promise resolves the change is on disk (in `disk`
 * durability). Adapters: sqlite/ (one gateway) and, later, postgres/ (several). One conformance suite runs over each of
 * them. Times are Unix milliseconds by the clock given at the store's start.
 */
import type {
  LeaseEntry,
  LeaseSpec,
  PayloadEntry,
  ResultEntry,
  StartEntry,
  SubmitHeader,
} from "../../protocol/batch.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { FunctionDefinition, FunctionView } from "../../protocol/function.ts";
import type { HeldLease, Hello, Limits } from "../../protocol/messages.ts";
import type { Scope } from "../../protocol/operations.ts";
import type { Attempt, Encoding, TaskFailure, TaskState, TaskView } from "../../protocol/task.ts";
import type { HistogramSnapshot } from "../histogram.ts";

/** A pull that stands open at this gateway: what it may be sent now (not cumulative; the dispatcher subtracts what it sent). */
export type OpenPull = { endpoint: string; epoch: number; pull: number; room: Limits };

/** Tasks leased to a pull in a transaction: ready to be sent as one or more `tasks` messages. `body` holds the arguments in order. */
export type Handout = {
  endpoint: string;
  epoch: number;
  pull: number;
  specs: LeaseSpec[];
  tasks: LeaseEntry[];
  /** the resource class of each spec, by position in `specs` (a task's class is `classes[task.spec ?? 0]`) */
  classes: string[];
  body: Uint8Array;
};

/** A change of a task that watchers see, numbered in commit order. */
export type StoredEvent = {
  sequence: number;
  id: string;
  owner: string;
  group: string | null;
  state: TaskState;
  attempt: number;
  failure: TaskFailure | null;
  ranMs: number | null;
  endpoint: string;
  /** only for ends other than succeeded */
  attempts: Attempt[] | null;
  /** of the result, when there is one: how it is encoded and where it is. Bytes are only in what `eventsAfter` returns. */
  encoding: Encoding | null;
  size: number | null;
  blob: string | null;
  bytes?: Uint8Array;
};

/** Leases that an agent must kill because their task ended or was taken back. */
export type Kill = { endpoint: string; epoch: number; lease: HeldLease };

export type Effects = {
  events: StoredEvent[];
  kills: Kill[];
  /**
   * endpoints that have newly queued tasks which were not handed out in this transaction; of a pop or report: those of its
   * pulls, or its own, where anything still waits, so that the dispatcher knows when nothing does
   */
  queued: string[];
};

export type SubmitInput = {
  owner: string;
  header: SubmitHeader;
  /** given away: the store may move a large one (large-buffers.ts), after which it is empty here */
  body: Uint8Array;
  /** the pulls at this gateway that the new tasks may be leased to in this transaction (PROTOCOL.md rule 2) */
  pulls: OpenPull[];
};
export type SubmitOutput = Effects & {
  /** by position; absent means accepted (also when the same task was accepted before) */
  rejected: { index: number; code: ErrorCode; message: string }[];
  handouts: Handout[];
};

export type ReportInput = {
  endpoint: string;
  epoch: number;
  results: ResultEntry[];
  starts: StartEntry[];
  /** the results' bytes and output tails, in order (batch.ts ResultEntry); given away as a submit's is */
  body: Uint8Array;
  pulls: OpenPull[];
};
export type ReportOutput = Effects & {
  superseded: number;
  /** positions in `starts` that did not match: they must not run */
  refusedStarts: number[];
  handouts: Handout[];
};

export type TaskSelection = { owner: string | null } & (
  | { ids: string[] }
  | { group?: string; function?: string; endpoint?: string; all?: true }
);

export type TaskQuery = {
  /** null: every owner (admin) */
  owner: string | null;
  states?: TaskState[];
  endpoint?: string;
  function?: string;
  group?: string;
  sinceMs?: number;
  untilMs?: number;
  order: "newest" | "oldest";
  cursor?: string;
  limit: number;
};
export type Page<T> = { items: T[]; cursor: string | null };

export type TokenRow = {
  id: string;
  hash: string;
  owner: string;
  name: string;
  scopes: Scope[];
  endpoint: string | null;
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt: number | null;
};
export type EndpointRow = {
  id: string;
  name: string;
  owner: string;
  description: string;
  epoch: number;
  hello: Hello | null;
  draining: boolean;
  registeredAt: number;
};
export type CredentialRow = { userKey: string; endpoint: string; token: string; expiresAt: number };
export type RevokedUser = { userKey: string; revokedAt: number };
export type Payload = { encoding: Encoding; bytes: Uint8Array | null; blob: string | null; size: number };
export type Output = { stdout: Uint8Array; stderr: Uint8Array; stdoutTotal: number; stderrTotal: number };
export type BlobRow = { hash: string; size: number; file: string };

export type StoreLimits = {
  /** unfinished tasks and their inline bytes */
  perOwner: { tasks: number; bytes: number };
  perEndpoint: { tasks: number; bytes: number };
  retentionMs: number;
  /** submits stop when the disk has less than this (PROTOCOL.md rule 27) */
  minFreeBytes: number;
};

export type Store = {
  /** `<generation>`: drawn when the database is made, so that an old backup or a new database is noticed. */
  readonly generation: string;

  // --- the hot path; all calls that wait are grouped into one commit -------------------------------------------------
  /** Rules 1 to 3: inserts in id order; leases to open pulls what this insert created, if nothing older waits. Throws QUEUE_FULL, STORAGE_FULL. */
  submit(input: SubmitInput): Promise<SubmitOutput>;
  /** Leases what waits, by priority then time, to open pulls, while the endpoint row still names that epoch; `queued` says where some is left. */
  pop(pulls: OpenPull[]): Promise<Effects & { handouts: Handout[] }>;
  /** Rules 10, 11, 14: starts, ends, retries and returns, each only if its lease matches and its state is not terminal. */
  report(input: ReportInput): Promise<ReportOutput>;

  // --- agents --------------------------------------------------------------------------------------------------------
  /** Rule 17: counts the epoch up. Throws ENDPOINT_IN_USE (other host, still answering, no take-over) when `previousAnswers`. */
  startEpoch(
    endpoint: string,
    hello: Hello,
    options: { previousAnswers: boolean },
  ): Promise<{ epoch: number; previous: { epoch: number; hello: Hello } | null }>;
  /** The epoch that the endpoint has now, or undefined when it does not exist. */
  epochOf(endpoint: string): Promise<number | undefined>;
  /** Records the pull number; false when the epoch is old or a higher number is known (rule 5). */
  openPull(endpoint: string, epoch: number, pull: number): Promise<boolean>;
  /** Rule 8: puts these leases back in the queue; counts no attempt. Only where the lease still matches and nothing started. */
  takeBack(endpoint: string, leases: HeldLease[]): Promise<Effects>;
  /** Leases of the endpoint handed out before `beforeMs`. */
  leasesOf(endpoint: string, beforeMs: number): Promise<HeldLease[]>;
  /**
   * Rule 9: the agent holds exactly `held`. Leases of the endpoint older than `beforeMs` that it does not hold are queued again
   * (or end MAYBE_RAN / count an attempt when started); what it holds and the database does not is returned to be killed.
   */
  reconcile(endpoint: string, held: HeldLease[], beforeMs: number): Promise<Effects & { kill: HeldLease[] }>;
  /** Rules 11, 21: everything the endpoint holds is known to be dead. */
  releaseAll(
    endpoint: string,
    options: { reason: ErrorCode; message: string },
  ): Promise<Effects & { released: number }>;
  /** Tasks that wait at the endpoint by resource class, each counted up to `countUpTo`. */
  waiting(endpoint: string, countUpTo: number): Promise<Record<string, number>>;

  // --- tasks -----------------------------------------------------------------------------------------------------------
  /**
   * A selection that is not a list of ids is carried out in slices, each one transaction, so that a million tasks stop nobody
   * else's commit. With `onSlice` each slice's effects are handed over once it is committed, and those returned are empty, as
   * are the ids in `cancelled`; `count` says how many they were in any case.
   */
  cancel(
    selection: TaskSelection,
    onSlice?: (effects: Effects) => void,
  ): Promise<Effects & { cancelled: string[]; count: number; alreadyFinished: number; notFound: number }>;
  /** Moves due retries back to the queue and expires what is over its time to live. At most `limit` rows a call. */
  tick(limit: number): Promise<Effects & { more: boolean }>;
  getTask(id: string, owner: string | null): Promise<TaskView | undefined>;
  attemptsOf(id: string): Promise<Attempt[]>;
  listTasks(query: TaskQuery): Promise<Page<TaskView>>;
  countTasks(query: Omit<TaskQuery, "order" | "cursor" | "limit">, cap: number): Promise<Record<TaskState, number>>;
  payloadOf(id: string, which: "arguments" | "result"): Promise<Payload | undefined>;
  outputOf(id: string): Promise<Output | undefined>;
  listGroups(
    owner: string | null,
    page: { cursor?: string; limit: number },
  ): Promise<Page<{ name: string; createdAt: number; unfinished: number }>>;
  /** Events after a sequence number, with result bytes, at most `limit`; `oldest` is the first that still exists. */
  eventsAfter(
    filter: { owner: string | null; groups: string[] | null },
    after: number,
    limit: number,
  ): Promise<{ events: StoredEvent[]; oldest: number; last: number; scannedTo: number }>;
  lastSequence(): Promise<number>;

  // --- functions, endpoints, tokens, blobs, audit ------------------------------------------------------------------------
  putFunction(row: {
    owner: string;
    name: string;
    id: string;
    definition: FunctionDefinition;
    code: Uint8Array;
  }): Promise<FunctionView>;
  getFunction(idOrName: string, owner: string | null): Promise<FunctionView | undefined>;
  functionCode(id: string): Promise<Uint8Array | undefined>;
  listFunctions(
    owner: string | null,
    page: { name?: string; cursor?: string; limit: number },
  ): Promise<Page<FunctionView>>;
  /** In slices, as cancel; so is deleteEndpoint, whose first slice already revokes its users. */
  deleteFunction(
    id: string,
    owner: string | null,
    onSlice?: (effects: Effects) => void,
  ): Promise<Effects & { deleted: boolean }>;
  putEndpoint(row: { id: string; name: string; owner: string; description: string }): Promise<EndpointRow>;
  getEndpoint(idOrName: string): Promise<EndpointRow | undefined>;
  listEndpoints(page: { cursor?: string; limit: number }): Promise<Page<EndpointRow>>;
  setDraining(endpoint: string, draining: boolean): Promise<void>;
  deleteEndpoint(endpoint: string, onSlice?: (effects: Effects) => void): Promise<Effects & { cancelled: number }>;
  putToken(row: Omit<TokenRow, "lastUsedAt">): Promise<void>;
  findToken(hash: string): Promise<TokenRow | undefined>;
  touchTokens(used: { id: string; at: number }[]): Promise<void>;
  listTokens(): Promise<TokenRow[]>;
  /** Revokes what was issued to its bearer, too. */
  revokeToken(id: string): Promise<boolean>;
  /**
   * Notes that a user of the wire is issued to that key. Throws NOT_FOUND, UNAUTHENTICATED when endpoint or token are gone, CONFLICT
   * when the key is another endpoint's, RATE_LIMITED when the endpoint has too many.
   */
  putCredential(row: CredentialRow): Promise<void>;
  /** The users that were revoked, by token or endpoint, and have not expired yet. */
  revokedUsers(): Promise<RevokedUser[]>;
  /** Rule 28. The row exists only once the file is complete; `file` is never used again after its row was deleted. */
  putBlob(row: BlobRow & { owner: string }): Promise<void>;
  getBlob(hash: string, owner: string | null): Promise<BlobRow | undefined>;
  /** Deletes rows of blobs that nothing names and nobody touched for `untouchedMs`; their files may be removed afterwards. */
  sweepBlobs(untouchedMs: number, limit: number): Promise<string[]>;
  audit(entry: { actor: string; action: string; target: string; outcome: string }): Promise<void>;
  listAudit(page: {
    cursor?: string;
    limit: number;
  }): Promise<Page<{ seq: number; at: number; actor: string; action: string; target: string; outcome: string }>>;
  /** Rules 3 and 24: deletes at most `limit` finished tasks that are over the retention time, and old events. */
  retain(limit: number): Promise<{ deleted: number }>;

  /** Facts for metrics and readiness: commits, rows, queue depths, free disk; throws UNAVAILABLE when the database does not answer. */
  stats(): Promise<StoreStats>;
  close(): Promise<void>;
};

/** How long tasks waited until they were handed out, then until they started, and then ran; those since this store was opened. */
export type TaskPhases = Record<"queued" | "handed-out" | "running", HistogramSnapshot>;

export type StoreStats = {
  phases: TaskPhases;
  commits: number;
  callsPerCommit: number;
  byState: Partial<Record<TaskState, number>>;
  walBytes: number;
  freeBytes: number;
  full: boolean;
};

export type { PayloadEntry };
