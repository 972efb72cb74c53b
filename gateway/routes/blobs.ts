/** Blobs: put, look, get. An agent reaches those of tasks that its endpoint holds, everybody else their owner's. */
import { badField } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { BLOB_LIMIT_BYTES } from "../../protocol/task.ts";
import { isAdmin, notFound } from "../auth/authorize.ts";
import type { Gateway } from "../gateway.ts";
import type { BlobRow } from "../store/port.ts";
import { visibleTask } from "../use-cases/visible-task.ts";
import { type Call, type Handlers, param } from "./call.ts";

type Routes = Pick<Handlers, "putBlob" | "headBlob" | "getBlob">;
type BlobCall = Call<"putBlob" | "headBlob" | "getBlob">;

/** The handlers of the theme. */
export function blobRoutes({ store, blobs }: Gateway): Routes {
  /** The owner in whose name an agent may touch the blobs of a task: only while its endpoint holds the task. */
  async function ownerOfTask(call: BlobCall, action: "putBlob" | "getBlob"): Promise<string> {
    const id = call.query.task;
    if (id === undefined) throw badField("query.task", undefined, "the id of the task that the blob belongs to");
    const task = await visibleTask(store, call.actor, action, id);
    if (task.state !== "leased" && task.state !== "running") throw notFound("task", id);
    return task.owner;
  }

  async function visibleBlob(call: BlobCall): Promise<BlobRow> {
    const hash = blobOf(call);
    const { actor } = call;
    const owner = actor.endpoint !== null ? await ownerOfTask(call, "getBlob") : isAdmin(actor) ? null : actor.owner;
    const row = await store.getBlob(hash, owner);
    if (!row) throw notFound("blob", hash);
    return row;
  }

  return {
    putBlob: async (call) => {
      const hash = blobOf(call);
      const announced = Number(call.context.req.header("content-length") ?? 0);
      if (announced > BLOB_LIMIT_BYTES) {
        throw new ApiError("TOO_LARGE", `the blob is ${announced} bytes; at most ${BLOB_LIMIT_BYTES} are stored`);
      }
      const isResult = call.actor.endpoint !== null;
      const owner = isResult ? await ownerOfTask(call, "putBlob") : call.actor.owner;
      return blobs.put(hash, call.context.req.raw.body, { owner, isResult });
    },
    headBlob: async (call) => {
      const { size } = await visibleBlob(call);
      const headers = {
        "content-type": "application/octet-stream",
        "content-length": String(size),
        "accept-ranges": "bytes",
      };
      return new Response(null, { headers });
    },
    getBlob: async (call) => {
      const { hash } = await visibleBlob(call);
      return blobs.send(hash, { headers: {}, range: call.context.req.header("range") });
    },
  };
}

function blobOf(call: BlobCall): string {
  const hash = param(call, "blob");
  if (!/^[0-9a-f]{64}$/.test(hash)) throw badField("path.blob", hash, "the SHA-256 of the bytes, 64 hex digits");
  return hash;
}
