/** Submits a batch: finds the endpoints that its specs mean, hands it to the dispatcher, and says what became of each task. */
import type { SubmitEntry, SubmitHeader } from "../../protocol/batch.ts";
import { ApiError, type ErrorCode } from "../../protocol/errors.ts";
import { joinBytes } from "../../protocol/frame.ts";
import type { SubmitAnswer } from "../../protocol/operations.ts";
import type { CallSpec } from "../../protocol/task.ts";
import type { Actor } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";

type Refusal = { id: string; code: ErrorCode; message: string };
type Parts = Pick<Gateway, "dispatcher" | "endpoints">;

/**
 * Each task is accepted or refused on its own; the answer lists the refused ones. Throws when none could be accepted for one
 * and the same reason, so that a single call gets that reason as its status.
 */
export async function submitTasks(
  parts: Parts,
  actor: Actor,
  batch: { header: SubmitHeader; body: Uint8Array },
): Promise<SubmitAnswer> {
  let { header, body } = batch;
  const total = header.tasks.length;
  const refused: Refusal[] = [];
  const unplaced = await placeSpecs(parts, actor, header.specs);
  if (unplaced !== undefined) ({ header, body } = withoutUnplaced(batch, unplaced, refused));
  if (header.tasks.length > 0) {
    const { rejected } = await parts.dispatcher.submit({ owner: actor.owner, header, body });
    for (const { index, code, message } of rejected) {
      refused.push({ id: (header.tasks[index] as SubmitEntry).id, code, message });
    }
  }
  if (refused.length === total) throwIfAlike(refused, unplaced?.values().next().value);
  return { accepted: total - refused.length, tasks: refused };
}

/** Puts the endpoint's id into each spec. Returns the errors of those that have none, by position; undefined when all have. */
async function placeSpecs(
  { endpoints }: Parts,
  actor: Actor,
  specs: CallSpec[],
): Promise<Map<number, ApiError> | undefined> {
  let unplaced: Map<number, ApiError> | undefined;
  for (let i = 0; i < specs.length; i++) {
    const spec = specs[i] as CallSpec;
    try {
      spec.endpoint = (endpoints.cached(actor, spec.endpoint) ?? (await endpoints.resolve(actor, spec.endpoint))).id;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      unplaced ??= new Map();
      unplaced.set(i, error);
    }
  }
  return unplaced;
}

function withoutUnplaced(
  { header, body }: { header: SubmitHeader; body: Uint8Array },
  unplaced: Map<number, ApiError>,
  refused: Refusal[],
): { header: SubmitHeader; body: Uint8Array } {
  const specs = header.specs.filter((_, position) => !unplaced.has(position));
  const tasks: SubmitEntry[] = [];
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const task of header.tasks) {
    const end = offset + (task.blob === undefined ? (task.length ?? 0) : 0);
    const error = unplaced.get(task.spec ?? 0);
    if (error) {
      refused.push({ id: task.id, code: error.code, message: error.message });
    } else {
      tasks.push({ ...task, spec: specs.indexOf(header.specs[task.spec ?? 0] as CallSpec) });
      chunks.push(body.subarray(offset, end));
    }
    offset = end;
  }
  return { header: { specs, tasks }, body: joinBytes(chunks) };
}

function throwIfAlike(refused: Refusal[], unplaced: ApiError | undefined): void {
  const [first] = refused;
  if (!first || refused.some(({ code }) => code !== first.code)) return;
  if (refused.length === 1 && unplaced) throw unplaced;
  throw new ApiError(first.code, first.message, refused.length === 1 ? {} : { details: { tasks: refused } });
}
