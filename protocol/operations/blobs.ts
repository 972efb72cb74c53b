/** Operations on blobs: payloads above the inline limit. */
import { z } from "zod";
import { BlobRef } from "../task.ts";
import type { Operation } from "./operation.ts";

/** The part of the table on blobs. */
export const blobOperations = {
  putBlob: {
    method: "PUT",
    path: "/v1/blobs/{blob}",
    scope: ["invoke", "agent", "admin"],
    summary:
      "Store a payload under the SHA-256 of its bytes; streamed, up to 1 GiB. Agents name the task it belongs to.",
    accepts: "bytes",
    query: z.object({ task: z.string().optional() }),
    status: 201,
    response: BlobRef,
  },
  headBlob: {
    method: "HEAD",
    path: "/v1/blobs/{blob}",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "Whether a blob is stored.",
    query: z.object({ task: z.string().optional() }),
    responds: "bytes",
  },
  getBlob: {
    method: "GET",
    path: "/v1/blobs/{blob}",
    scope: ["read", "invoke", "agent", "admin"],
    summary: "A blob's bytes, with Range.",
    query: z.object({ task: z.string().optional() }),
    responds: "bytes",
  },
} as const satisfies Record<string, Operation>;
