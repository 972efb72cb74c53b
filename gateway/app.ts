/** The gateway as a Hono app: everything but sockets. */
import { Hono } from "hono";
import { cors } from "hono/cors";
import type { Gateway } from "./gateway.ts";
import { REQUEST_ID_HEADER } from "./http/responses.ts";
import { bindOperations } from "./routes/bind.ts";
import { createHandlers } from "./routes/index.ts";

/** What of the app is a matter of configuration. */
export type AppOptions = {
  /** web pages that may call the API, by exact origin; none if not said */
  corsOrigins?: readonly string[];
};

/** Makes the app of these collaborators. */
export function createApp(gateway: Gateway, options: AppOptions = {}): Hono {
  const app = new Hono({ strict: true });
  const origin = [...(options.corsOrigins ?? [])];
  // Without an origin to allow there is no CORS header at all, so a browser lets no page read an answer.
  if (origin.length > 0)
    app.use(cors({ origin, exposeHeaders: [REQUEST_ID_HEADER, "retry-after", "farcall-encoding"] }));
  bindOperations(app, gateway, createHandlers(gateway));
  return app;
}
