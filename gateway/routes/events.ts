/** The event stream and the output of tasks. */
import { badField } from "../../protocol/batch.ts";
import { FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import type { EventForm } from "../events/batch.ts";
import type { ByteStream } from "../events/byte-stream.ts";
import type { Gateway } from "../gateway.ts";
import { followLog } from "../use-cases/follow-log.ts";
import { visibleTask } from "../use-cases/visible-task.ts";
import { type Call, type Handlers, param } from "./call.ts";
import { connectionOf } from "./connection.ts";

type Routes = Pick<Handlers, "events" | "taskLogs">;

const MAX_GROUPS = 100;
const SSE_HEADERS = { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" };
const FRAME_HEADERS = { "content-type": FRAME_MEDIA_TYPE, "cache-control": "no-store", "x-accel-buffering": "no" };

/** The handlers of the theme. */
export function eventRoutes(gateway: Gateway): Routes {
  const { streams, auth, store } = gateway;
  return {
    events: ({ actor, context, query }) => {
      const groups = query.group ?? null;
      if (groups !== null && groups.length > MAX_GROUPS)
        throw badField("query.group", groups.length, `at most ${MAX_GROUPS}`);
      const frames = context.req.header("accept") === FRAME_MEDIA_TYPE;
      const results = query.results === "true" ? "" : "-no-results";
      const release = auth.hold(actor, "streams");
      const bytes = streams.open({
        filter: { owner: actor.owner, groups },
        form: `${frames ? "frames" : "sse"}${results}` as EventForm,
        after: context.req.header("last-event-id") ?? query.after,
        signal: actor.revoked,
        ...connectionOf(context),
      });
      onClosed(bytes, release);
      return new Response(bytes.body, { headers: frames ? FRAME_HEADERS : SSE_HEADERS });
    },
    taskLogs: async (call) => {
      const view = await visibleTask(store, call.actor, "taskLogs", param(call, "task"));
      if (call.query.follow === "false") return logTail(gateway, call, view.id);
      const release = auth.hold(call.actor, "streams");
      const bytes = followLog(gateway, view, {
        stream: call.query.stream,
        encoding: call.query.encoding,
        signal: AbortSignal.any([call.actor.revoked, gateway.ending]),
        ...connectionOf(call.context),
      });
      onClosed(bytes, release);
      return new Response(bytes.body, { headers: SSE_HEADERS });
    },
  };
}

function onClosed({ closed }: ByteStream, release: () => void): void {
  if (closed.aborted) release();
  else closed.addEventListener("abort", release, { once: true });
}

async function logTail({ store }: Gateway, call: Call<"taskLogs">, task: string) {
  const output = await store.outputOf(task);
  const { stream } = call.query;
  const stdout = stream === "stderr" ? undefined : output?.stdout;
  const stderr = stream === "stdout" ? undefined : output?.stderr;
  const stdoutTotal = stream === "stderr" ? 0 : (output?.stdoutTotal ?? 0);
  const stderrTotal = stream === "stdout" ? 0 : (output?.stderrTotal ?? 0);
  return {
    stdout: Buffer.from(stdout ?? []).toString("utf8"),
    stderr: Buffer.from(stderr ?? []).toString("utf8"),
    stdoutTotal,
    stderrTotal,
    truncated: stdoutTotal > (stdout?.length ?? 0) || stderrTotal > (stderr?.length ?? 0),
  };
}
