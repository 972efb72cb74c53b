/** Looking at tasks: lists, details, results, groups. */
import { ApiError } from "../../protocol/errors.ts";
import { isTerminal, type TaskView } from "../../protocol/task.ts";
import { notFound, ownerFilter } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import { jsonText } from "../http/responses.ts";
import { COUNT_CAP } from "../use-cases/endpoint-view.ts";
import { explainWait } from "../use-cases/explain-wait.ts";
import { taskResultText } from "../use-cases/task-result.ts";
import { visibleTask } from "../use-cases/visible-task.ts";
import { waitForEnd } from "../use-cases/wait-for-end.ts";
import { type Handlers, param } from "./call.ts";
import { pageOptions } from "./page.ts";
import { taskQuery } from "./selection.ts";

type Routes = Pick<
  Handlers,
  "listTasks" | "countTasks" | "getTask" | "taskResult" | "taskResultBytes" | "taskArguments" | "listGroups"
>;

/** The handlers of the theme. */
export function taskRoutes(gateway: Gateway): Routes {
  const { store } = gateway;

  async function bytesOf(view: TaskView, which: "arguments" | "result"): Promise<Response> {
    const payload = await store.payloadOf(view.id, which);
    if (!payload)
      throw new ApiError("NOT_FOUND", `task ${view.id} has no ${which === "result" ? "result" : "arguments"}`);
    const headers = { "content-type": "application/octet-stream", "farcall-encoding": payload.encoding };
    if (payload.blob !== null) return gateway.blobs.send(payload.blob, { headers });
    return new Response(payload.bytes as Uint8Array<ArrayBuffer>, { headers });
  }

  return {
    listTasks: async ({ actor, query }) =>
      store.listTasks({ ...(await taskQuery(gateway, actor, query)), ...pageOptions(query), order: query.order }),
    countTasks: async ({ actor, query }) => ({
      counts: await store.countTasks(await taskQuery(gateway, actor, query), COUNT_CAP),
      cappedAt: COUNT_CAP,
    }),
    getTask: async (call) => {
      const view = await visibleTask(store, call.actor, "getTask", param(call, "task"));
      const [attempts, waits] = await Promise.all([store.attemptsOf(view.id), explainWait(gateway, view)]);
      return { ...view, attempts, waits };
    },
    taskResult: async (call) => {
      const { id, owner } = await visibleTask(store, call.actor, "taskResult", param(call, "task"));
      const signals = [call.actor.revoked, call.context.req.raw.signal, gateway.ending];
      const { waitMs } = call.query;
      const release = waitMs > 0 ? gateway.auth.hold(call.actor, "waits") : undefined;
      const view = await waitForEnd(gateway, { id, owner }, { waitMs, signals }).finally(release);
      if (!view) throw notFound("task", id);
      return jsonText(await taskResultText(store, view), isTerminal(view.state) ? 200 : 202);
    },
    taskResultBytes: async (call) =>
      bytesOf(await visibleTask(store, call.actor, "taskResultBytes", param(call, "task")), "result"),
    taskArguments: async (call) =>
      bytesOf(await visibleTask(store, call.actor, "taskArguments", param(call, "task")), "arguments"),
    listGroups: ({ actor, query }) => store.listGroups(ownerFilter(actor), pageOptions(query)),
  };
}
