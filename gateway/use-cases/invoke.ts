/** Calls a function and waits: one request for curl. */
import { badField } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { isId, newId } from "../../protocol/ids.ts";
import type { ParsedBodyOf } from "../../protocol/operations.ts";
import { INLINE_LIMIT_BYTES, isTerminal } from "../../protocol/task.ts";
import { type Actor, notFound } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import { cancelSelected } from "./cancel-tasks.ts";
import { encodeArguments } from "./json-submit.ts";
import { submitTasks } from "./submit-tasks.ts";
import { taskResultText } from "./task-result.ts";
import { waitForEnd } from "./wait-for-end.ts";

type Parts = Pick<Gateway, "store" | "dispatcher" | "endpoints" | "hub" | "ending">;
/** A call and the client that waits for it. */
export type Invocation = ParsedBodyOf<"invoke"> & {
  /** id or name */
  function: string;
  /** aborted when the client has hung up */
  clientGone: AbortSignal;
};

/**
 * The result as JSON text, and whether the task has ended. When the client hangs up the task goes on, unless
 * `cancelOnDisconnect` asks otherwise (FAULTS.md G3).
 */
export async function invokeFunction(
  parts: Parts,
  actor: Actor,
  { args, id = newId(), waitMs, clientGone, function: idOrName, ...options }: Invocation,
): Promise<{ text: string; ended: boolean }> {
  if (!isId(id)) throw badField("body.id", id, "a UUIDv7 in lower case");
  const definition = await parts.store.getFunction(idOrName, actor.owner);
  if (!definition) throw notFound("function", idOrName);
  const body = encodeArguments(args);
  if (body.length > INLINE_LIMIT_BYTES) {
    throw new ApiError("TOO_LARGE", `the arguments are ${body.length} bytes; at most ${INLINE_LIMIT_BYTES} go inline`);
  }
  const header = { specs: [{ ...options, function: definition.id }], tasks: [{ id, length: body.length }] };
  await submitTasks(parts, actor, { header, body });
  const task = { id, owner: actor.owner };
  const view = await waitForEnd(parts, task, { waitMs, signals: [clientGone, actor.revoked, parts.ending] });
  if (!view) throw notFound("task", id);
  const ended = isTerminal(view.state);
  if (clientGone.aborted && !ended && options.cancelOnDisconnect) {
    await cancelSelected(parts, { owner: actor.owner, ids: [id] });
  }
  return { text: await taskResultText(parts.store, view), ended };
}
