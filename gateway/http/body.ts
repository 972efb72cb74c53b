/** Reads request bodies, never more than the limit. */
import type { IncomingMessage } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { ApiError } from "../../protocol/errors.ts";
import { joinBytes } from "../../protocol/frame.ts";
import { bufferOf, LARGE_BYTES } from "../../protocol/large-buffers.ts";

/** The whole body. Throws TOO_LARGE before it has read more than `maxBytes`. */
export async function readBody(context: Context, maxBytes: number): Promise<Uint8Array> {
  const announced = context.req.header("content-length");
  if (announced !== undefined) {
    if (!(Number(announced) <= maxBytes)) throw tooLarge(announced, maxBytes);
    const { incoming } = (context.env ?? {}) as Partial<HttpBindings>;
    if (incoming && "socket" in incoming && Number(announced) >= LARGE_BYTES) {
      return readLarge(incoming as IncomingMessage, Number(announced));
    }
    // The HTTP parser holds the client to its content-length, so nothing can grow here.
    return new Uint8Array(await context.req.arrayBuffer().catch(throwCut));
  }
  const stream = context.req.raw.body;
  if (!stream) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(stream)) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(`over ${maxBytes}`, maxBytes);
    chunks.push(chunk);
  }
  return joinBytes(chunks);
}

/** A body of known length, read into its place: the usual way copies it twice. */
function readLarge(incoming: IncomingMessage, length: number): Promise<Uint8Array> {
  const body = new Uint8Array(bufferOf(Buffer.allocUnsafeSlow(length)));
  return new Promise((resolve, reject) => {
    let read = 0;
    const settle = (cause?: unknown) => {
      incoming.off("data", onData).off("end", settle).off("error", settle).off("close", settle);
      if (read === length) resolve(body);
      else reject(cut(cause));
    };
    const onData = (chunk: Buffer) => {
      body.set(chunk, read);
      read += chunk.length;
      // Each chunk is a copy that the HTTP parser made for this event.
      if (chunk.length === chunk.buffer.byteLength) bufferOf(chunk).transfer(0);
    };
    incoming.on("data", onData).on("end", settle).on("error", settle).on("close", settle);
    if (incoming.destroyed) settle();
  });
}

/** The chunks of a request's body. Throws BAD_REQUEST when the client hangs up before its end. */
export async function* chunksOf(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  const reader = stream?.getReader();
  try {
    while (reader) {
      const { done, value } = await reader.read().catch(throwCut);
      if (done) return;
      yield value;
    }
  } finally {
    // Who stops reading early wants nothing more of it.
    await reader?.cancel().catch(() => undefined);
  }
}

function throwCut(cause: unknown): never {
  throw cut(cause);
}

function cut(cause: unknown): ApiError {
  return new ApiError("BAD_REQUEST", "the body ended before it was complete", { cause });
}

function tooLarge(found: string, maxBytes: number): ApiError {
  return new ApiError("TOO_LARGE", `the body is ${found} bytes; at most ${maxBytes} are taken here`, {
    details: { maxBytes },
  });
}
