/** Submits a finished task again, as a new one that names it. */
import { ApiError } from "../../protocol/errors.ts";
import type { TaskView } from "../../protocol/task.ts";
import type { Gateway } from "../gateway.ts";

/** Submits the task's call again under the new id: same function, options, arguments and owner. */
export async function retryTask(
  { store, dispatcher }: Pick<Gateway, "store" | "dispatcher">,
  { view, id }: { view: TaskView; id: string },
): Promise<void> {
  const payload = await store.payloadOf(view.id, "arguments");
  if (!payload) throw new ApiError("NOT_FOUND", `the arguments of task ${view.id} are not kept any more`);
  const { encoding, bytes, blob, size } = payload;
  const where = blob !== null ? { blob, size } : { length: bytes?.length ?? 0 };
  const { rejected } = await dispatcher.submit({
    owner: view.owner,
    header: {
      specs: [{ ...view.spec, function: view.function, endpoint: view.endpoint }],
      tasks: [{ id, encoding, retryOf: view.id, ...where }],
    },
    body: blob === null && bytes ? bytes : new Uint8Array(0),
  });
  const [refused] = rejected;
  if (refused) throw new ApiError(refused.code, refused.message);
}
