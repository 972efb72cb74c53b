/**
 * Batches of tasks. The same shape goes all the way: a submit over HTTP, a hand-out over NATS, a frame to a manager, a frame
 * to a worker are each a list of distinct specs, tasks that name their spec by position, and the arguments' bytes in the
 * frame's body, in the order of the tasks.
 */
import { z } from "zod";
import { ApiError } from "./errors.ts";
import { expectationOf } from "./expectation.ts";
import { isId } from "./ids.ts";
import {
  BLOB_LIMIT_BYTES,
  CallSpec,
  type Encoding,
  INLINE_LIMIT_BYTES,
  MAX_BATCH_TASKS,
  type TaskFailure,
} from "./task.ts";

/** Where a payload's bytes are: the next `length` bytes of the body, or a blob. `encoding` is json when absent. */
export type PayloadEntry = { encoding?: Encoding; length?: number; blob?: string; size?: number };

/** A task in a submit. `spec` is the position in `specs`, 0 when absent. */
export type SubmitEntry = PayloadEntry & { id: string; spec?: number; retryOf?: string };
export type SubmitHeader = { specs: CallSpec[]; tasks: SubmitEntry[] };

/** A task handed out. Every hand-out counts `lease` up; starts, results and cancels must name it (PROTOCOL.md rule 7). */
export type LeaseEntry = PayloadEntry & {
  id: string;
  lease: number;
  spec?: number;
  /** starts so far, that of this hand-out not included */
  attempt: number;
  /** Unix ms by the gateway's clock, only shown */
  submittedAt?: number;
  /** from agent to manager, of a task on several nodes: these, the manager's own first */
  hosts?: string[];
};
/** What an agent and its workers need of a spec. `key` is stable, so that it can be cached; `owner` keeps workers apart. */
export type LeaseSpec = CallSpec & { key: number; owner: string };
export type LeaseHeader = {
  kind: "tasks";
  epoch: number;
  pull: number;
  /** counts up within a pull; receipted by number (PROTOCOL.md rule 8) */
  batch: number;
  specs: LeaseSpec[];
  tasks: LeaseEntry[];
};

/** How a hand-out ended. */
export type Outcome =
  /** the function returned */
  | "succeeded"
  /** it ended otherwise; `failure` says how. Counted by the gateway against `retries` or not at all */
  | "failed"
  /** never started: queued again, no attempt is counted */
  | "returned"
  /** worker, manager or block lost after the start: a new attempt, up to maxAttempts; MAYBE_RAN if at-most-once */
  | "lost";

/** What a hand-out came to. The body holds, in this order: the result's bytes, then the tails of stdout and stderr. */
export type ResultEntry = PayloadEntry & {
  id: string;
  lease: number;
  outcome: Outcome;
  failure?: TaskFailure;
  /** whether user code was started in this hand-out */
  started?: boolean;
  /** milliseconds that the function ran */
  ranMs?: number;
  block?: string;
  worker?: string;
  /** bytes of output tail in the body, and how many bytes there were in all */
  stdout?: number;
  stderr?: number;
  stdoutTotal?: number;
  stderrTotal?: number;
};

/** A start that is reported before its end: at-most-once before the hand-over, others once they run for 50 ms. */
export type StartEntry = { id: string; lease: number; block?: string; worker?: string };

export type ResultsHeader = {
  epoch: number;
  /** counts up within an epoch, for the log */
  message: number;
  results: ResultEntry[];
  starts: StartEntry[];
};

export const BatchLimits = { maxSpecs: 256, maxTasks: MAX_BATCH_TASKS } as const;

const Specs = z.array(CallSpec).min(1).max(BatchLimits.maxSpecs);

/**
 * Checks a submit's header against its body. Specs go through zod; tasks, of which there are many and which have four
 * fields, through the loop below (measured: a tenth of the time).
 * Throws BAD_REQUEST naming the field.
 */
export function parseSubmitHeader(header: unknown, bodyLength: number): SubmitHeader {
  if (typeof header !== "object" || header === null) throw badField("", header, "an object { specs, tasks }");
  const { specs, tasks } = header as { specs?: unknown; tasks?: unknown };
  const parsed = Specs.safeParse(specs);
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue;
    throw badIssue(issue, specs, ["specs"]);
  }
  if (!Array.isArray(tasks) || tasks.length === 0 || tasks.length > BatchLimits.maxTasks) {
    throw badField(
      "tasks",
      Array.isArray(tasks) ? `${tasks.length} tasks` : tasks,
      `an array of 1 to ${BatchLimits.maxTasks} tasks`,
    );
  }
  let rest = bodyLength;
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i] as SubmitEntry | null;
    if (typeof task !== "object" || task === null) throw badField(`tasks.${i}`, task, "an object");
    if (!isId(task.id)) throw badField(`tasks.${i}.id`, task.id, "a UUIDv7 in lower case");
    const spec = task.spec ?? 0;
    if (!Number.isInteger(spec) || spec < 0 || spec >= parsed.data.length) {
      throw badField(`tasks.${i}.spec`, task.spec, `a position in specs (0 to ${parsed.data.length - 1})`);
    }
    if (task.retryOf !== undefined && !isId(task.retryOf))
      throw badField(`tasks.${i}.retryOf`, task.retryOf, "a UUIDv7");
    rest -= checkPayloadEntry(task, `tasks.${i}`);
  }
  if (rest !== 0)
    throw badField("tasks", `${bodyLength - rest} bytes announced`, `the ${bodyLength} bytes of the body`);
  return { specs: parsed.data, tasks: tasks as SubmitEntry[] };
}

/** Checks a payload entry and returns how many bytes of the body are its own. */
export function checkPayloadEntry(entry: PayloadEntry, path: string): number {
  const { encoding, length, blob, size } = entry;
  if (encoding !== undefined && encoding !== "json" && encoding !== "cbor" && encoding !== "raw") {
    throw badField(`${path}.encoding`, encoding, "json, cbor or raw");
  }
  if (blob !== undefined) {
    if (typeof blob !== "string" || !/^[0-9a-f]{64}$/.test(blob)) throw badField(`${path}.blob`, blob, "64 hex digits");
    if (!Number.isInteger(size) || (size as number) < 0 || (size as number) > BLOB_LIMIT_BYTES) {
      throw badField(`${path}.size`, size, `0 to ${BLOB_LIMIT_BYTES} bytes`);
    }
    return 0;
  }
  if (!Number.isInteger(length) || (length as number) < 0)
    throw badField(`${path}.length`, length, "a number of bytes");
  if ((length as number) > INLINE_LIMIT_BYTES) {
    throw badField(
      `${path}.length`,
      length,
      `at most ${INLINE_LIMIT_BYTES} bytes inline; upload larger payloads as a blob`,
    );
  }
  return length as number;
}

/** The error for a field that does not fit: names the field, shows the value, says what would be right. */
export function badField(field: string, value: unknown, expected: string): ApiError {
  const shown = value === undefined ? "missing" : (JSON.stringify(value)?.slice(0, 80) ?? String(value));
  const name = field === "" ? "the request" : field;
  return new ApiError("BAD_REQUEST", `${name} is ${shown}; expected ${expected}`, {
    details: { field, value: shown, expected },
  });
}

/** The error for what a schema did not take; `where` leads to what it looked at. */
export function badIssue(issue: z.core.$ZodIssue, root: unknown, where: readonly string[] = []): ApiError {
  const known = issue.code !== "unrecognized_keys";
  const path = known ? issue.path : [...issue.path, issue.keys[0] as string];
  return badField([...where, ...path].join("."), valueAt(root, path), expectationOf(issue));
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined | null)?.[key];
  return value;
}
