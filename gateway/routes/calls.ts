/** Calls: submit, invoke, retry, cancel. */
import { badField, parseSubmitHeader } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { isId, newId } from "../../protocol/ids.ts";
import { isTerminal } from "../../protocol/task.ts";
import { notFound } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import { jsonText } from "../http/responses.ts";
import { cancelSelected } from "../use-cases/cancel-tasks.ts";
import { invokeFunction } from "../use-cases/invoke.ts";
import { submitFromJson } from "../use-cases/json-submit.ts";
import { retryTask } from "../use-cases/retry-task.ts";
import { submitTasks } from "../use-cases/submit-tasks.ts";
import { visibleTask } from "../use-cases/visible-task.ts";
import { type Handlers, param } from "./call.ts";
import { cancelSelection } from "./selection.ts";

type Routes = Pick<Handlers, "submitTasks" | "invoke" | "retryTask" | "cancelTask" | "cancelTasks">;

/** The handlers of the theme. */
export function callRoutes(gateway: Gateway): Routes {
  const { store } = gateway;
  return {
    submitTasks: async (call) => {
      if (call.frame) {
        const { body } = call.frame;
        const header = parseSubmitHeader(call.frame.header, body.length);
        return submitTasks(gateway, call.actor, { header, body });
      }
      const { ids, ...batch } = submitFromJson(call.body);
      return { ...(await submitTasks(gateway, call.actor, batch)), ids };
    },
    invoke: async (call) => {
      const release = call.body.waitMs > 0 ? gateway.auth.hold(call.actor, "waits") : undefined;
      const { text, ended } = await invokeFunction(gateway, call.actor, {
        ...call.body,
        function: param(call, "function"),
        clientGone: call.context.req.raw.signal,
      }).finally(release);
      return jsonText(text, ended ? 200 : 202);
    },
    retryTask: async (call) => {
      const view = await visibleTask(store, call.actor, "retryTask", param(call, "task"));
      if (!isTerminal(view.state)) {
        throw new ApiError("CONFLICT", `the task has not ended: it is ${view.state}`, {
          details: { state: view.state },
        });
      }
      const id = call.body?.id ?? newId();
      if (!isId(id)) throw badField("body.id", id, "a UUIDv7 in lower case");
      await retryTask(gateway, { view, id });
      return { id };
    },
    cancelTask: async (call) => {
      const id = param(call, "task");
      const view = await visibleTask(store, call.actor, "cancelTask", id);
      const { count } = await cancelSelected(gateway, { owner: view.owner, ids: [id] });
      const after = await store.getTask(id, view.owner);
      if (!after) throw notFound("task", id);
      return { cancelled: count > 0, state: after.state };
    },
    cancelTasks: async (call) => {
      const { selection, target } = await cancelSelection(gateway, call.actor, call.body);
      call.target = target;
      const { count, alreadyFinished, notFound: missing } = await cancelSelected(gateway, selection);
      return { cancelled: count, alreadyFinished, notFound: missing };
    },
  };
}
