/** What a call asks for beside its arguments, checked once and shared by every call that asks for the same. */
import type { z } from "zod";
import { badIssue } from "../../protocol/batch.ts";
import { CallSpec } from "../../protocol/task.ts";
import type { Code } from "../code/code.ts";

/**
 * How a call is to be run.
 *
 * @example
 * await square.with({ endpoint: "laptop", timeoutMs: 5_000, retries: 2, priority: 5 })(12);
 */
export type CallOptions = {
  /** an endpoint's name or id */
  endpoint?: string;
  /** how long the function may run before it is killed */
  timeoutMs?: number;
  /** how long the task may take in all, waiting included; 14 days */
  ttlMs?: number;
  /** how often an exception of the function is retried; 0 */
  retries?: number;
  /** the wait before the first retry, doubled each time; 1000 */
  retryDelayMs?: number;
  /** starts in all when workers or nodes are lost; 3 */
  maxAttempts?: number;
  /** higher first; 0 */
  priority?: number;
  /** environment variables of the function */
  env?: Record<string, string>;
  resources?: { cores?: number; memoryMb?: number; gpus?: number; nodes?: number; ranksPerNode?: number };
  /** at-most-once: never started twice, and MAYBE_RAN after a loss; at-least-once is the default */
  delivery?: "at-least-once" | "at-most-once";
  /** commands: an exit code other than zero is a result, not an error */
  allowFailure?: boolean;
  /** cancel the task when this client goes away */
  cancelOnDisconnect?: boolean;
  /** aborting it cancels the task */
  signal?: AbortSignal;
};

/** A spec on its way into batches. `text` is its JSON, known once the function is registered. */
export type Spec = {
  readonly code: Code;
  readonly asked: Omit<CallSpec, "function">;
  /** wait out a full queue for as long as it takes */
  readonly patient: boolean;
  /** aborting it cancels every call of the spec; one listener for all of them, while any is under way */
  readonly signal: AbortSignal | undefined;
  live: number;
  onAbort: (() => void) | undefined;
  text: string | undefined;
};

// Any well-formed id will do to check the rest.
const SOME_FUNCTION = "0".repeat(64);

/** Makes a spec of options. Throws BAD_REQUEST naming the option that does not fit. */
export function createSpec(code: Code, options: CallOptions & { group?: string }, patient = false): Spec {
  const { signal, ...asked } = options;
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const parsed = CallSpec.safeParse({ function: SOME_FUNCTION, ...given });
  if (!parsed.success) {
    throw badIssue(parsed.error.issues[0] as z.core.$ZodIssue, given);
  }
  const { function: _function, ...checked } = parsed.data;
  return { code, asked: checked, patient, signal, live: 0, onAbort: undefined, text: undefined };
}

/** The spec's JSON for a function's id, the client's defaults filled in. */
export function specText(
  spec: Spec,
  functionId: string,
  defaults: { endpoint: string | undefined; group: string },
): string {
  const endpoint = spec.asked.endpoint ?? defaults.endpoint;
  const full: CallSpec = {
    ...spec.asked,
    function: functionId,
    group: spec.asked.group ?? defaults.group,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  return JSON.stringify(full);
}
