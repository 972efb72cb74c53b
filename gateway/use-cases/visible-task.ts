/** A task, if the actor may see it. */
import { isId } from "../../protocol/ids.ts";
import type { OperationName } from "../../protocol/operations.ts";
import type { TaskView } from "../../protocol/task.ts";
import { type Actor, authorize, notFound } from "../auth/authorize.ts";
import type { Store } from "../store/port.ts";

/** The task of that id. Throws NOT_FOUND when there is none or it is another's. */
export async function visibleTask(
  store: Pick<Store, "getTask">,
  actor: Actor,
  action: OperationName,
  id: string,
): Promise<TaskView> {
  const view = isId(id) ? await store.getTask(id, null) : undefined;
  if (!view) throw notFound("task", id);
  authorize(actor, action, { kind: "task", name: id, owner: view.owner, endpoint: view.endpoint });
  return view;
}
