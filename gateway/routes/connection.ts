/** The socket behind a request, where there is one. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

/** How to break the connection of a streamed answer; nothing when the app runs without sockets. */
export function connectionOf(context: Context): { breakConnection?: () => void } {
  const outgoing = (context.env as Partial<HttpBindings> | undefined)?.outgoing;
  return outgoing ? { breakConnection: () => void outgoing.destroy() } : {};
}
