/** The sockets under the app. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { ApiError } from "../../protocol/errors.ts";

export type Listener = {
  url: string;
  /** Takes nothing new; resolves when what is under way has been answered, at the latest after `graceMs`. */
  close(graceMs?: number): Promise<void>;
};

/** Slow headers are cut early (slowloris); a body may take as long as 1 GiB takes on a slow line. */
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 3_600_000;
/** Longer than clients keep idle connections, so that it is they who close them. */
const KEEP_ALIVE_MS = 75_000;
const GRACE_MS = 5_000;

/** Listens, and resolves with the address once it does. */
export async function listen(app: Hono, { host, port }: { host: string; port: number }): Promise<Listener> {
  const server = createAdaptorServer({ fetch: app.fetch, hostname: host }) as Server;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new ApiError("CONFIG_INVALID", `cannot listen on ${host} port ${port}: ${cause.message}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, close: (graceMs = GRACE_MS) => close(server, graceMs) };
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const grace = new AbortController();
  const late = sleep(graceMs, undefined, { signal: grace.signal }).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await closed;
  grace.abort();
  await late;
}
