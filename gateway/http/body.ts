/** Reads request bodies, never more than the limit. */
import type { Context } from "hono";
import { ApiError } from "../../protocol/errors.ts";
import { joinBytes } from "../../protocol/frame.ts";

/** The whole body. Throws TOO_LARGE before it has read more than `maxBytes`. */
export async function readBody(context: Context, maxBytes: number): Promise<Uint8Array> {
  const announced = context.req.header("content-length");
  if (announced !== undefined) {
    if (!(Number(announced) <= maxBytes)) throw tooLarge(announced, maxBytes);
    // The HTTP parser holds the client to its content-length, so nothing can grow here.
    return new Uint8Array(await context.req.arrayBuffer());
  }
  const stream = context.req.raw.body;
  if (!stream) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(`over ${maxBytes}`, maxBytes);
    chunks.push(chunk);
  }
  return joinBytes(chunks);
}

function tooLarge(found: string, maxBytes: number): ApiError {
  return new ApiError("TOO_LARGE", `the body is ${found} bytes; at most ${maxBytes} are taken here`, {
    details: { maxBytes },
  });
}
