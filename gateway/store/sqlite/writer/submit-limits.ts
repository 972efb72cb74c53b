/** The limits of a submit: unfinished tasks and their inline bytes, for each owner and each endpoint. */
import { ApiError } from "../../../../protocol/errors.ts";
import type { SubmitMessage } from "../messages.ts";
import type { Base } from "./base.ts";
import type { Owner, Spec } from "./model.ts";

type Sum = { tasks: number; bytes: number };
type Submit = { owner: Owner; specs: readonly (Spec | { code: string })[]; message: SubmitMessage };

/**
 * Throws QUEUE_FULL, before anything is written, when the call as a whole does not fit. `exists` tells which ids are stored
 * already: a repeated submit is never refused.
 */
export function checkLimits(base: Base, submit: Submit, exists: (ids: readonly string[]) => Set<string>): void {
  if (excess(base, submit, new Set()) === undefined) return;
  // Only when it looks too much is it worth asking which of the tasks are there.
  const problem = excess(base, submit, exists(submit.message.ids));
  if (problem) throw new ApiError("QUEUE_FULL", problem, { details: { retryAfterMs: 1000 } });
}

function excess(base: Base, submit: Submit, known: ReadonlySet<string>): string | undefined {
  const { perOwner, perEndpoint } = base.limits;
  const { owner, specs } = submit;
  const sums = newTasksBySpec(submit, known);
  const total = { tasks: owner.tasks, bytes: owner.bytes };
  const endpoints = new Map<string, Sum>();
  for (const [i, spec] of specs.entries()) {
    if ("code" in spec) continue;
    const sum = sums[i] as Sum;
    const { id, name, tasks, bytes } = spec.endpoint;
    const at = endpoints.get(id) ?? { tasks, bytes };
    endpoints.set(id, plus(at, sum));
    const problem = overLimit(`endpoint ${name}`, plus(at, sum), perEndpoint);
    if (problem) return problem;
    total.tasks += sum.tasks;
    total.bytes += sum.bytes;
  }
  return overLimit(`owner ${owner.name}`, total, perOwner);
}

function newTasksBySpec({ specs, message }: Submit, known: ReadonlySet<string>): Sum[] {
  const sums = specs.map(() => ({ tasks: 0, bytes: 0 }));
  for (let i = 0; i < message.ids.length; i++) {
    if (known.size > 0 && known.has(message.ids[i] as string)) continue;
    const sum = sums[message.specOf?.[i] ?? 0] as Sum;
    sum.tasks++;
    sum.bytes += message.lengths[i] as number;
  }
  return sums;
}

function plus(a: Sum, b: Sum): Sum {
  return { tasks: a.tasks + b.tasks, bytes: a.bytes + b.bytes };
}

function overLimit(whose: string, sum: Sum, limit: Sum): string | undefined {
  if (sum.tasks > limit.tasks)
    return `the ${whose} would have ${sum.tasks} unfinished tasks; the limit is ${limit.tasks}`;
  if (sum.bytes > limit.bytes) {
    return `the unfinished tasks of the ${whose} would hold ${sum.bytes} bytes; the limit is ${limit.bytes}`;
  }
  return undefined;
}
