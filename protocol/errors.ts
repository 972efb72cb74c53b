/**
 * The one table of errors. `status` is the HTTP status, `retryable` whether the same request may succeed later, `what` the
 * condition in one sentence and `next` what the reader should do about it. docs/errors.md is generated from it.
 */
export const ERRORS = {
  // Requests
  BAD_REQUEST: e(400, false, "The request does not fit the operation's schema.", "Mend what the message names."),
  BAD_FRAME: e(400, false, "A binary frame is cut short, too long or not JSON.", "Encode it with the SDK, or send application/json."),
  UNAUTHENTICATED: e(401, false, "The request carries no token, or one that is unknown, expired or revoked.", "Set FARCALL_TOKEN, or run `farcall up` to write a profile."),
  FORBIDDEN: e(403, false, "The token lacks the scope that this operation needs.", "Use a token with the scope that the message names."),
  NOT_FOUND: e(404, false, "Nothing of that id or name is visible to you.", "Check it; `farcall tasks ls`, `farcall functions ls` and `farcall endpoint ls` list what there is."),
  METHOD_NOT_ALLOWED: e(405, false, "The path exists, the method does not.", "See /docs for the operations."),
  CONFLICT: e(409, false, "Something of that name exists with other content.", "Choose another name, or delete the old one first."),
  GONE: e(410, false, "The id is older than the retention time, so it is not known whether it ran.", "Submit the call again with a new id."),
  TOO_LARGE: e(413, false, "The request body is above the limit.", "Send smaller batches; values above the inline limit go to the blob store."),
  TASK_MISMATCH: e(422, false, "A task of that id exists with another content.", "Use a new id for a new call."),
  BLOB_MISSING: e(422, false, "A payload names a blob that is not stored.", "Upload the blob first, then submit."),
  FUNCTION_UNKNOWN: e(422, false, "The task names a function that is not registered.", "Register the function; its id is the hash of its content."),
  RATE_LIMITED: e(429, true, "Too many requests from this token.", "Wait for the time in Retry-After."),
  ENDPOINT_REQUIRED: e(422, false, "The call names no endpoint and there is not exactly one.", "Name one of the endpoints that the message lists."),
  ENDPOINT_UNKNOWN: e(422, false, "No endpoint of that name or id is visible to you.", "`farcall endpoint list` shows the endpoints."),
  CAPTURES: e(422, false, "An inline function uses identifiers from outside itself.", "Pass them as arguments, or move the function to a file and use farcall.module()."),
  NOT_SERIALISABLE: e(422, false, "A value cannot be sent: it is a function, a symbol, a cycle or something like it.", "Send plain data, dates, bytes, typed arrays, maps or sets."),
  BUNDLE_FAILED: e(422, false, "A module cannot be bundled for the workers.", "Mend the import that the message names, or list it in `external` and install it at the endpoint."),
  CLIENT_CLOSED: e(499, false, "The client was closed while it waited.", "The task goes on; read its result with farcall.tasks.result(id)."),
  ALREADY_FINISHED: e(409, false, "The task has ended, so its state cannot change any more.", "Use retry for a new task that names this one."),
  QUEUE_FULL: e(507, true, "The queue of this owner or endpoint is full.", "Wait for the time in Retry-After, or raise the limit."),
  STORAGE_FULL: e(507, true, "The disk of the gateway is nearly full; results still land, new tasks do not.", "Free space; it recovers by itself."),
  UNAVAILABLE: e(503, true, "A part the gateway needs does not answer.", "Try again; `farcall doctor` says which part."),
  INTERNAL: e(500, true, "Something failed that should not have.", "Look in the gateway's log for the request id, and report it."),
  STORE_CORRUPT: e(500, false, "The database does not pass its integrity check.", "Restore it from a backup as docs/operations.md says; nothing was overwritten."),

  // How tasks end
  USER_ERROR: e(200, false, "The function threw an exception.", "Read the remote message and stack; `retries` repeats such calls."),
  TIMEOUT: e(200, false, "The task ran longer than its timeout and was killed.", "Raise timeoutMs, or make the work smaller."),
  EXITED: e(200, false, "The worker process ended before the function returned.", "Do not call exit from a function; return or throw."),
  SIGNAL: e(200, false, "A signal ended the worker process while the function ran.", "Read the tail of stderr; a native crash is a likely cause."),
  OOM: e(200, false, "The function used more memory than it may.", "Raise resources.memoryMb, or use less."),
  LOAD_ERROR: e(200, false, "The function's code could not be loaded on the worker.", "Check the syntax, the export's name and the modules installed at the endpoint."),
  RESULT_TOO_LARGE: e(200, false, "The result is above the limit of one payload.", "Return less, or write a file."),
  RESULT_NOT_SERIALISABLE: e(200, false, "The function returned something that cannot be sent back.", "Return plain data, dates, bytes, typed arrays, maps or sets."),
  COMMAND_FAILED: e(200, false, "The shell command ended with an exit code other than zero.", "Read its stderr; `allowFailure` returns the code instead."),
  FUNCTION_GONE: e(200, false, "The function was deleted while the task waited.", "Register it again and retry the task."),
  BLOB_GONE: e(200, false, "A payload that the task names is not in the blob store any more.", "Submit the call again with its arguments."),
  WORKER_LOST: e(200, false, "The worker was killed from outside while the function ran.", "It is retried by itself up to maxAttempts; look at the endpoint's log."),
  MANAGER_LOST: e(200, false, "The manager, its node or its block was lost while the function ran.", "It is retried by itself up to maxAttempts; look at the block's log."),
  PREEMPTED: e(200, false, "The scheduler took the block away for other work while the function ran.", "It is run again by itself, up to 100 times; a queue or QOS that is not preempted spares it that."),
  WALLTIME: e(200, false, "The block's walltime ended while the function ran.", "It is run again by itself, up to 100 times; set timeoutMs, so that it is placed only where it fits, or raise policy.walltimeMs."),
  BLOCK_CANCELLED: e(200, false, "The block was cancelled while the function ran.", "It is run again by itself, up to 100 times."),
  NODE_FAIL: e(200, false, "The node failed while the function ran.", "It is run again by itself on up to 3 nodes; if it fails each of them, look at what it does there."),
  BLOCK_ENDED: e(200, false, "The site ended the block while the function ran, and has not said why.", "It is run again by itself, up to 100 times; look at the block in the scheduler's accounting."),
  MAYBE_RAN: e(200, false, "An at-most-once task was lost after its start, so it may have run.", "Check its effects before you call it again."),
  POISON: e(200, false, "The task took down every worker that tried it.", "Run it on its own and read the worker's stderr."),
  LOST: e(200, false, "The task is known to an agent or client, but not to the database.", "The database lost its last moments (durability: fast, or an old backup); submit again."),
  NO_SUCH_RESOURCES: e(200, false, "No block of this endpoint can ever hold the task.", "Ask for less, or for another endpoint."),
  CANCELLED: e(200, false, "The task was cancelled.", "Nothing to do."),
  EXPIRED: e(200, false, "The task did not end within its time to live.", "Raise ttlMs, or find out why it waited with `farcall tasks show`."),
  DEPENDENCY_FAILED: e(200, false, "A task that this one depends on did not succeed.", "Mend the parent and retry."),

  // Endpoints and machines
  ENDPOINT_OFFLINE: e(503, true, "The endpoint's agent is not connected.", "Start it with `farcall endpoint start`; the task waits meanwhile."),
  EPOCH_SUPERSEDED: e(409, false, "A newer agent runs this endpoint.", "Stop this copy; one endpoint has one agent."),
  ENDPOINT_IN_USE: e(409, false, "An agent on another host still answers for this endpoint.", "Stop it, or start with --take-over."),
  CONFIG_INVALID: e(400, false, "A configuration file or option is wrong.", "Mend what the message names."),
  UNCONFIRMED: e(400, false, "What cannot be taken back was not confirmed, and nothing was changed.", "Say --yes, or answer yes at a terminal."),
  JOURNAL_DAMAGED: e(500, false, "The agent's journal is damaged before its end.", "Move it away as the message says; the gateway queues again what it held."),
  JOURNAL_NEWER: e(500, false, "A newer version of the agent has written the journal in a way that this one cannot read.", "Start that version or a newer one; to go back, drain the endpoint with it first."),
  NATS_SERVER_MISSING: e(500, false, "No usable nats-server was found or fetched.", "Install nats-server 2.14 or newer in one of the ways that the message lists."),
  NATS_SERVER_TOO_OLD: e(500, false, "The nats-server found is older than 2.14.", "Install a newer one, or unset FARCALL_NATS_SERVER."),
  NODE_TOO_OLD: e(500, false, "This Node.js is older than 22.19.", "Install Node 24, or run `npm ci` in the repository, which brings one."),
  SSH_FAILED: e(503, true, "A host cannot be reached over SSH, or the connection was lost.", "Check the name and the network with `ssh -v`; then try again, every step may be repeated."),
  SSH_HOST_KEY: e(403, false, "A host's SSH key is unknown, changed or revoked.", "Compare it with what the site publishes before you accept it."),
  SSH_LOGIN_REFUSED: e(401, false, "The login over SSH was refused.", "Check user, key and password; it was tried once, because servers lock out those who try often."),
  SITE_UNFIT: e(500, false, "The site lacks something that an agent there needs.", "The message says what, and which other way there is."),
  SUBMIT_FAILED: e(503, true, "The site's scheduler refused a block.", "Read the scheduler's own words; `farcall endpoint status` shows them."),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorEntry = { status: number; retryable: boolean; what: string; next: string };

/** An error of the table, with what happened in this case; its JSON form is what HTTP and NATS carry. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  /** What to do next. A field, so that Node.js prints it of an error that nobody catches. */
  readonly next: string;
  /** More facts for machines: the field, the value, the list of choices, `retryAfterMs`. */
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.next = ERRORS[code].next;
    this.details = options.details ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toJSON(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      next: this.next,
      retryable: this.retryable,
      ...(Object.keys(this.details).length > 0 ? { details: this.details } : {}),
    };
  }

  /** Rebuilds the error that `toJSON` wrote; an unknown code becomes INTERNAL and is named in the message. */
  static fromJSON(body: unknown): ApiError {
    const { code, message, details } = (body ?? {}) as Partial<ErrorBody>;
    if (typeof code === "string" && Object.hasOwn(ERRORS, code)) {
      return new ApiError(code as ErrorCode, String(message ?? ERRORS[code as ErrorCode].what), {
        details: details ?? {},
      });
    }
    return new ApiError("INTERNAL", `${String(code ?? "unknown error")}: ${String(message ?? "no message")}`);
  }
}

export type ErrorBody = {
  code: ErrorCode;
  message: string;
  next: string;
  retryable: boolean;
  details?: Record<string, unknown>;
};

function e(status: number, retryable: boolean, what: string, next: string): ErrorEntry {
  return { status, retryable, what, next };
}
